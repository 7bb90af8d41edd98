"""The page of data names each metric, log message and alert attribute, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pages import rows
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/reference/data.md"
METRIC = re.compile(
    r'metric\(name="(\w+)"|_count\("(\w+)"|counts\["(\w+)"\]|^        ([A-Z]\w+)=', re.MULTILINE
)
NAMES = re.compile(r"^ +name = (.+)$", re.MULTILINE)
MESSAGE = re.compile(r'logger\.(?:info|warning|error)\(\s*"([^"]+)"')
ATTRIBUTE = re.compile(r'^        "(\w+)": |attributes = .*\{"(\w+)": "true"\}', re.MULTILINE)
FUNCTIONS = ("detect", "enforce", "group_alerts", "ingest", "pre_token_generation", "validate_rules")


def documented(header: tuple[str, ...], pattern: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for function, names, *_ in rows(PAGE, header=header):
        found.setdefault(function, set()).update(re.findall(pattern, names))
    return found


def code_of(function: str) -> str:
    files = sorted(Path(PROJECT / "functions" / function).glob("*.py"))
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    shared = PROJECT / "functions" / "service_clock.py"
    return code + shared.read_text(encoding="utf-8") if "import ServiceClock" in code else code


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "validate_rules"])
def test_the_page_names_the_metrics_that_a_function_counts(function: str) -> None:
    code = code_of(function)
    counted = {name for names in METRIC.findall(code) for name in names if name}
    counted |= {name for names in NAMES.findall(code) for name in re.findall(r'"([A-Z]\w+)"', names)}
    assert documented(("function", "metrics"), r"`([A-Z]\w+)`")[function] == counted


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_page_names_the_messages_that_a_function_logs(function: str) -> None:
    messages = documented(("function", "`message`", "keys of its own"), r"`([a-z][\w ,]+)`")[function]
    assert messages == set(MESSAGE.findall(code_of(function)))


def test_the_page_names_the_attributes_of_an_alert() -> None:
    code = (PROJECT / "src/sessionwarden/enforcement/alert_text.py").read_text(encoding="utf-8")
    written = code[code.index("def compose_notice") :].partition("\ndef _subject")[0]
    written += code[code.index("def _attributes") :].partition("\ndef _outcome")[0]
    attributes = {name for names in ATTRIBUTE.findall(written) for name in names if name}
    assert {name.strip("`") for name, _ in rows(PAGE, header=("attribute", "value"))} == attributes
