"""Matches events against compiled rules: the part of the rule language that Lambdas and replay run."""
