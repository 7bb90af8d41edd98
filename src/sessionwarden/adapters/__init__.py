"""Implementations of the ports: over AWS, and in memory."""
