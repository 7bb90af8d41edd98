"""Sessionwarden on one machine: an emulator that runs the real templates, the demo, and simulated logs."""
