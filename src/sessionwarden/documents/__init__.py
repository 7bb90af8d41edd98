"""Operators' YAML files: parsing with places, checks that report every mistake with file, line and caret."""
