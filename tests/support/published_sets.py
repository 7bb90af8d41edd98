"""A rule set as it was published before the policy had a file of its own, with five rules of the pack.

Never compile it again: deployments hold such bytes for as long as nothing is published after them.
"""

from __future__ import annotations

from tests.support.paths import PROJECT

PUBLISHED_IN_FORMAT_1 = (PROJECT / "tests" / "support" / "published_in_format_1.json").read_bytes()
FORMAT_1_DIGEST = "58dc8fe44a353a1ba54d83a4ea713f5d7c5623906e8875334af6eedde3e1ff5e"
