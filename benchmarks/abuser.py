"""An hour of an abuser who never gives up, and of a thief beside the honest owner: what each gets.

    PYTHONPATH=src:. python benchmarks/abuser.py [--seconds N]

The loop of `tests/support/abuse`: the product's engine, policy and denylist in virtual time, with 2 s from a
request to detection and 2 s from there to enforcement. The rule is the shipped *Request Rate of One User*:
300 requests a minute. "Once a cooldown" is the same product without reminders, coverage and ladder, which is
how it behaved until then. The cost is of what findings and reminders cause behind detection, by the
operations that each is known to make; requests that are counted cost the same either way.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from sessionwarden.adapters.memory.enforcement import MemoryCoverageStore
from sessionwarden.detection.engine import Engine
from sessionwarden.model.coverage import NOT_COVERED, Coverage
from sessionwarden.model.finding import Finding, Response
from sessionwarden.model.rules import CompiledRule
from sessionwarden.ports import Act
from tests.support.abuse.actors import Actor, play
from tests.support.abuse.guarded_api import GuardedApi
from tests.support.detection import MINUTE, rule, ruleset
from tests.support.enforcement import deployed

START = 1_800_000_000_000
HOUR_S = 3600
SACRIFICED = 20

PRICES = tomllib.loads((Path(__file__).parent / "prices.toml").read_text())["per_million"]

SENT = {"sqs_request": 3, "dynamodb_write": 1, "lambda_request": 1}
"""Of a finding or a reminder: sent, received and deleted; its marker; its part of an invocation."""
DECIDED = {"dynamodb_read": 4}
"""The record, the kill switch, and what is covered of principal and series."""
DONE = {"dynamodb_write": 9, "sqs_request": 0, "eventbridge_event": 1}
"""Of an act: the record, its results, the deny, a claim and what it covers, for principal and series."""


class Forgetful(MemoryCoverageStore):
    """Covers nothing and counts no act."""

    def read(self, name: str) -> Coverage:
        return NOT_COVERED

    def claim(self, name: str, act: Act, *, since: int) -> bool:
        return True


@dataclass
class OnceACooldown(GuardedApi):
    """The API as it was guarded before: one finding in a cooldown, and what its rule asks for, each time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.coverage = Forgetful()
        store = self._engines[0]._placement._own._store
        self._engines = [Engine(self.rules, store) for _ in self._engines]

    def _enforce(self, finding: Finding) -> None:
        super()._enforce(replace(finding, sessions=(), session_events=0))


class Play(NamedTuple):
    """Who acts, for an hour, under how many enforcements an hour."""

    title: str
    actors: tuple[Actor, ...]
    limit: int = 20


def shipped_rule() -> CompiledRule:
    """*Request Rate of One User*, as it is shipped."""
    answer = Response(
        scope="user",
        mode="enforce",
        actions=("deny", "sign_out", "alert"),
        deny_seconds=None,
        cooldown_ms=15 * MINUTE,
    )
    return rule("request-rate", threshold=300, response=answer)


def plays() -> Iterator[Play]:
    """What is played, each time with fresh actors."""
    yield Play("abuser, 100 requests a second", (Actor("victim", rate=100),))
    yield Play("abuser, 6 a second", (Actor("victim", rate=6),))
    yield Play("abuser, 10 sessions, 50 a second, budget spent", _sacrifices(), limit=1)
    owner = Actor("victim", rate=0.5, start_s=1)
    yield Play("thief with a token; owner beside", (Actor("victim", rate=100, gives_up=True), owner))
    owner = Actor("victim", rate=0.5, start_s=1)
    yield Play("thief with the password; owner beside", (Actor("victim", rate=100), owner))


def _sacrifices() -> tuple[Actor, ...]:
    return Actor("victim", rate=50, devices=10, start_s=60), Actor("other", rate=20, devices=2, end_s=60)


def cost(api: GuardedApi) -> float:
    """USD of what followed detection."""
    sent = api.findings + api.reminders
    parts = [(SENT, sent), (DECIDED, sent), (DONE, len(api.acts))]
    units = [(name, number * times) for unit, times in parts for name, number in unit.items()]
    return float(sum(PRICES[name] * number / 1e6 for name, number in units))


def rows(play_: Play, kind: type[GuardedApi], name: str, seconds: int) -> Iterator[Sequence[object]]:
    """The row of the table for one play."""
    api = kind(ruleset(shipped_rule()), deployed(limit=play_.limit, alerts=60), START)
    actors = list(play_.actors)
    play(api, actors, seconds=seconds, random=Random(0))
    first, *others = actors
    yield (
        play_.title,
        name,
        f"{first.served:,}",
        first.sign_ins,
        api.findings,
        api.reminders,
        len(api.acts),
        len(api.world.alerts.sent),
        f"{cost(api):.6f}",
        " ".join(f"{one.refused + one.locked_out} refused of {one.served + one.refused}" for one in others),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=HOUR_S, help="how long each play lasts")
    seconds = parser.parse_args().seconds
    print("| play | guarded | served | sign-ins | findings | reminders | acts | alerts | USD | beside |")
    print("| --- | --- |" + " ---: |" * 7 + " --- |")
    for before, after in zip(plays(), plays(), strict=True):
        for play_, kind, name in ((before, OnceACooldown, "once a cooldown"), (after, GuardedApi, "now")):
            for row in rows(play_, kind, name, seconds):
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
