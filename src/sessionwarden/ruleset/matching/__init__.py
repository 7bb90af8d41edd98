"""Asks compiled rules whether an event matches: what Lambdas and replay run."""
