"""Where the rules lie that came with this package.

In an installed package beside the code; in a checkout, which an editable installation runs from, in
`rules/` at its top. Nothing is read here.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PACKAGED = _PACKAGE / "shipped_rules"
"""The name that `pyproject.toml` gives to `rules/` in the wheel."""

_CHECKOUT = _PACKAGE.parents[1] / "rules"


def shipped_rules() -> Path:
    """The folder of the shipped rules, with their policy, cases and schemas."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
