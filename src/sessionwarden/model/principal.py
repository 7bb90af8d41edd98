"""Names the principal that a denylist entry is about: `pool#sub`, the table's partition key.

Pool id and `sub` come from a verified token or from an operator. Invariant: two different pairs never have
the same key, since a pool id holds no `#`. Every token has a `sub`, a machine token too (its client id), so
one kind of key serves both.
"""

from __future__ import annotations

SEPARATOR = "#"


def principal(pool: str, sub: str) -> str:
    """The key of `sub` in `pool`.

    Raises `ValueError` if either is empty or the pool id holds the separator, because such a key could name
    another principal.

    >>> principal("eu-west-1_Ab12", "5f0c")
    'eu-west-1_Ab12#5f0c'
    """
    if not pool or not sub or SEPARATOR in pool:
        raise ValueError("a principal needs a pool id without '#' and a sub")
    return f"{pool}{SEPARATOR}{sub}"
