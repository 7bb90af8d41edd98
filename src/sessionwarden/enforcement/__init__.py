"""Carries out decisions through ports: first the denylist, then Cognito, then the alert, then the event.

Invariants: a decision is recorded before anything is done for it, and what is recorded counts; the kill
switch and a lift are read before each action; every action may safely be repeated. Who may be acted upon at
all is for `policy` to decide.
"""
