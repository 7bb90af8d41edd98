"""Lambda function by which AppConfig checks a rule set before it goes live.

The event holds the set in base64; an exception refuses it. Failure direction: closed, since a set that cannot
be checked does not go live, and the live set stays. It checks form, not effect: a valid rule that would sign
out every user passes here, and `rules publish` warns of it.
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
    """Load the set as `detect` would; raises an error that says what is wrong with it."""
    ruleset = load_ruleset(b64decode(event["content"], validate=True))
    if not ruleset.rules:
        # an empty set would switch detection off unnoticed
        raise RulesetError("a set without rules would detect nothing")
    Engine(ruleset, MemoryWindowStore())
    logger.info("rule set is sound", extra={"ruleset": ruleset.digest, "rules": len(ruleset.rules)})
