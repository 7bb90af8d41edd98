"""Finding, policy and deployment in, decision out: pure, with the clock as an argument.

What can be judged from the finding alone is judged here: whom it names, whether that principal is
protected, whether rule and deployment may act at all. The kill switch and the hourly budget are
state that changes between two acts, so `enforcement` reads those itself, right before acting.
"""
