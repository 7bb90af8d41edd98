"""Simulates a day of traffic with known attackers, for samples, tests and benchmarks."""
