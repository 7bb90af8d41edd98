"""Correlation types: each is one object that says how rules of it are limited, judged and explained."""
