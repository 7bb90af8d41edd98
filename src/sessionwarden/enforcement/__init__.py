"""Decision in, actions out through ports: deny first, then Cognito, then people, then the bus.

Invariants: a decision is recorded before anything is done for it, and what is recorded counts; the
kill switch and a lift are read before each act; every act is safe to repeat. Who may be acted upon at
all is `policy`'s to say.
"""
