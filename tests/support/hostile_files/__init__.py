"""Operators' files that cost far more than their size, by name: what an attacker would commit or mail."""
