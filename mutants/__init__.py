"""Tells whether the tests would notice a mistake: makes one, and runs the tests.

Of our own, because mutmut 3 leaves out decorated functions (the check of `alg` is in one) and constants, and
takes no sample; cosmic-ray brings a database and a web client. Neither reads which line a mutant changes
from a list that outlives other changes.
"""
