from __future__ import annotations

from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest

from functions.validate_rules.handler import lambda_handler
from sessionwarden.errors import RulesetError
from sessionwarden.ruleset.load import canonical_json
from tests.support.detection import rule
from tests.support.published_sets import PUBLISHED_IN_FORMAT_1
from tests.unit.functions.test_live_rules import BAD_SETS, compiled

CONTEXT: Any = SimpleNamespace(
    function_name="validate_rules", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r-1"
)


def event(content: bytes) -> dict[str, Any]:
    """As AppConfig's user guide shows it."""
    return {
        "applicationId": "app1234",
        "configurationProfileId": "pro1234",
        "configurationVersion": "3",
        "content": b64encode(content).decode(),
        "uri": "hosted",
    }


def test_a_sound_set_is_let_through() -> None:
    lambda_handler(event(canonical_json(compiled(rule()))), CONTEXT)


def test_a_set_of_format_1_is_let_through_so_that_a_rollback_can_reach_it() -> None:
    lambda_handler(event(PUBLISHED_IN_FORMAT_1), CONTEXT)


@pytest.mark.parametrize("bad", BAD_SETS.values(), ids=BAD_SETS)
def test_what_detect_could_not_run_is_refused(bad: bytes) -> None:
    with pytest.raises(RulesetError):
        lambda_handler(event(bad), CONTEXT)


def test_a_set_without_rules_is_refused() -> None:
    with pytest.raises(RulesetError, match="would detect nothing"):
        lambda_handler(event(canonical_json(compiled())), CONTEXT)


def test_content_that_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        lambda_handler(event(b"") | {"content": "{}"}, CONTEXT)
