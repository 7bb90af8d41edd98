"""The denylist's partition key: whom an entry is about.

Enters: a pool id and a `sub`, both from a verified token or from an operator. Leaves: `pool#sub`.
Invariant: two different pairs never give the same key, since a pool id holds no `#`. Every token
has a `sub`, a machine token too (there it is the client id), so one key serves both.
"""

from __future__ import annotations

SEPARATOR = "#"


def principal(pool: str, sub: str) -> str:
    """The key of `sub` in `pool`.

    Raises `ValueError` if either is empty or the pool id holds the separator: such a key could
    mean somebody else.

    >>> principal("eu-west-1_Ab12", "5f0c")
    'eu-west-1_Ab12#5f0c'
    """
    if not pool or not sub or SEPARATOR in pool:
        raise ValueError("a principal needs a pool id without '#' and a sub")
    return f"{pool}{SEPARATOR}{sub}"
