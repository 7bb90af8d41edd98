"""The first pass of a replay: reads lines into columns and leaves out keys that cannot fire."""
