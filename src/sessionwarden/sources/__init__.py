"""Turns log lines into events that rules can trust, and refuses lines that cannot be trusted.

Log lines are hostile text. A reader receives a line and the current time, and either returns an `Event` or
raises `SourceError` with a short constant reason. See docs/reference/log-formats.md.
"""
