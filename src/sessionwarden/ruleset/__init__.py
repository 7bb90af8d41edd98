"""YAML rules in, a small compiled JSON form and its predicates out."""
