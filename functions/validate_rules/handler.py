"""Asked by AppConfig before a rule set goes live: whatever raises here is refused there.

Enters: AppConfig's event, with the set in base64. Leaves: nothing, or an exception, which AppConfig takes for
a refusal. Direction: closed, for what cannot be checked cannot go live, and what is live stays. It judges
form, not intent: a sound rule that would sign out everybody passes, and is for `rules publish` to notice.
https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-creating-configuration-and-profile-validators.html
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import RulesetError
from sessionwarden.ruleset.load import load_ruleset

logger = Logger()


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Build the set as `detect` would. Raises what is wrong with it."""
    ruleset = load_ruleset(b64decode(event["content"], validate=True))
    if not ruleset.rules:
        # a quiet way to be overlooked
        raise RulesetError("a set without rules would detect nothing")
    Engine(ruleset, MemoryWindowStore())
    logger.info("rule set is sound", extra={"ruleset": ruleset.digest, "rules": len(ruleset.rules)})
