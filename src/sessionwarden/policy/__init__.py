"""Makes a decision of a finding: whom to act upon, with which actions, until when, or why not at all.

Pure, with the clock as an argument. What can be decided from the finding alone is decided here: whom it
names, whether that principal is protected, whether rule and deployment may act at all. The kill switch and
the hourly limits change between two actions, so `enforcement` reads them itself, right before acting.
"""
