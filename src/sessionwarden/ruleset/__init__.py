"""The rule language: rules in YAML, their compiled JSON form, and the predicates that match events."""
