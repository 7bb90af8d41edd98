"""Blocks of log lines as columns: a fast reading that refuses whatever might not be an event."""
