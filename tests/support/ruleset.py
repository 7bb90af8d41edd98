"""Rules that a test breaks in one place, and the diagnostics that follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiler.compile import compile_rules

ID = "7b0c7a52-31fb-4bd0-9c35-3f7cfb5de111"
OTHER_ID = "11111111-31fb-4bd0-9c35-3f7cfb5de111"

SINGLE = f"""\
title: A rule
id: {ID}
level: high
logsource:
  category: api_access
detection:
  sel:
    status: 401
  condition: sel
response:
  scope: source_ip
"""

COUNT = f"""\
title: Base
name: base
logsource: {{category: api_access}}
detection:
  sel: {{status: 401}}
  condition: sel
---
title: Many
id: {ID}
correlation:
  type: value_count
  rules: [base]
  group-by: [user, source_ip]
  timespan: 5m
  condition: {{gte: 5, field: path}}
response:
  scope: user
"""


def found(folder: Path, **files: str) -> list[str]:
    """The diagnostics of some files, without the folder's name."""
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    with pytest.raises(InputFileError) as caught:
        compile_rules([folder])
    return [str(diagnostic).replace(f"{folder}/", "") for diagnostic in caught.value.diagnostics]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)
