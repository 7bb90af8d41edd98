"""Runs rules over logs, with the engine that the Lambdas run."""
