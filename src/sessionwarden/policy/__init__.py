"""A finding in, a decision out: what to do, for how long, or why not."""
