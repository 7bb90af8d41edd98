"""Runs rules over log files, with the engine that the Lambdas run."""
