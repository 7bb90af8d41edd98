"""Deny entries and token claims in, allow or deny out."""
