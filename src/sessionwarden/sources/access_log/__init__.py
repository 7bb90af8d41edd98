"""Reads Sessionwarden's own access-log format, one line or a block of lines at a time."""
