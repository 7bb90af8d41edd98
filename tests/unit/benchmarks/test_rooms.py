from __future__ import annotations

import networkx

from benchmarks.rooms import circles, code_lines, longest_chain

MODULE = '''\
"""What it is for.

More of it.
"""

LIMIT = 3  # so many
"""Why three."""

# a comment

def double(number: int) -> int:
    """Twice the number."""
    text = """not
    a docstring"""
    return number * 2
'''


def test_lines_of_code_are_counted_without_blanks_comments_and_docstrings() -> None:
    assert code_lines(MODULE) == 5


def test_longest_chain_counts_each_module_of_a_circle() -> None:
    imports = networkx.DiGraph([("top", "a"), ("a", "b"), ("b", "a"), ("b", "bottom"), ("top", "bottom")])

    assert longest_chain(imports) == ["top", "a", "b", "bottom"]
    assert circles(imports) == [{"a", "b"}]
