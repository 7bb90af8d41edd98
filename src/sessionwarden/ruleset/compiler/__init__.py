"""Compiles Sigma rule files. Only this package knows YAML and pySigma, and no Lambda imports it."""
