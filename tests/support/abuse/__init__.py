"""A guarded API and its monitor in virtual time, with those who abuse it and those who only look like it."""
