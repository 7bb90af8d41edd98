"""The closed loop, in virtual time: requests, the authorizer's verdict, events, findings, acts, and again.

Everything between is the product's own: engines that share one store, the enforcer, the denylist's verdict.
What the loop adds is time: an event reaches detection `DELAY_MS` after its request, and its finding reaches
enforcement `DELAY_MS` later.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.denylist.broad import BroadDenies
from sessionwarden.denylist.verdict import judge
from sessionwarden.detection.engine import Engine
from sessionwarden.model.decision import Decision
from sessionwarden.model.deny import Claims
from sessionwarden.model.event import Event
from sessionwarden.model.finding import Finding
from sessionwarden.model.principal import principal
from sessionwarden.policy.deployment import Deployment
from sessionwarden.ports import PoolUser
from sessionwarden.ruleset.compiled import CompiledRuleset
from tests.support.enforcement import POOL, World

DELAY_MS = 2_000
STEP_MS = 1_000
"""The loop's resolution: requests have times of their own, deliveries happen once a step."""


@dataclass(frozen=True)
class Session:
    """What a sign-in gave. A refresh keeps both."""

    user: str
    name: str
    auth_time: int
    source_ip: str
    client: str = "app"


@dataclass(frozen=True)
class Act:
    """A decision that was enforced, and when its deny was in force (epoch ms)."""

    decision: Decision
    finding: Finding
    done_ms: int


@dataclass
class GuardedApi:
    """One API of which every route is guarded, unless a request says otherwise."""

    rules: CompiledRuleset
    deployment: Deployment
    start_ms: int
    random: Random = field(default_factory=lambda: Random(0))
    processes: int = 2

    def __post_init__(self) -> None:
        users = {(POOL, user): PoolUser(user, ()) for user in ("victim", "other")}
        self.world = World(deployment=self.deployment, now_ms=self.start_ms)
        self.world.users._users.update(users)
        store = MemoryWindowStore()
        acting = self.deployment.mode == "enforce"
        self._engines = [Engine(self.rules, store, acting=acting) for _ in range(self.processes)]
        self._numbers = count()
        self._waiting: list[Event] = []
        self._queue: list[tuple[int, int, Finding]] = []
        self.counted: list[Event] = []
        self.acts: list[Act] = []
        self.findings = 0
        self.reminders = 0

    @property
    def now_ms(self) -> int:
        return self.world.now_ms

    def sign_in(self, user: str, source_ip: str = "192.0.2.1") -> Session | None:
        """A new session, unless the trigger refuses tokens."""
        session = Session(user, f"{user}-{next(self._numbers)}", self.now_ms // 1000, source_ip)
        entries = self.world.denylist.entries(principal(POOL, user))
        verdict = judge(entries, _claims(session, session.auth_time), now=session.auth_time)
        return session if verdict.allowed else None

    def request(self, session: Session, *, at_ms: int | None = None, guarded: bool = True) -> bool:
        """One request; whether the authorizer let it pass."""
        time = self.now_ms if at_ms is None else at_ms
        now = time // 1000
        claims = _claims(session, now)
        verdict = judge(self.world.denylist.entries(principal(POOL, session.user)), claims, now=now)
        broad = BroadDenies(self.world.denylist.broad(now=now)).refusal(claims, session.source_ip, now=now)
        passed = not guarded or (verdict.allowed and broad is None)
        if passed:
            self._waiting.append(
                Event(
                    id=f"e-{next(self._numbers)}",
                    time=time,
                    source="api_access",
                    user=session.user,
                    session=session.name,
                    client=session.client,
                    pool=POOL,
                    source_ip=session.source_ip,
                )
            )
        return passed

    def step(self) -> None:
        """One second: what was requested moves on towards detection and enforcement."""
        self.world.now_ms += STEP_MS
        due = [event for event in self._waiting if event.time + DELAY_MS <= self.now_ms]
        self._waiting = [event for event in self._waiting if event.time + DELAY_MS > self.now_ms]
        self.counted += due
        self.random.shuffle(due)
        for batch in self._batches(due):
            outcome = self.random.choice(self._engines).process(batch, now_ms=self.now_ms)
            assert not outcome.failures
            for finding in outcome.findings:
                heapq.heappush(self._queue, (self.now_ms + DELAY_MS, next(self._numbers), finding))
            outcome.commit(outcome.findings)
        while self._queue and self._queue[0][0] <= self.now_ms:
            self._enforce(heapq.heappop(self._queue)[2])

    def _batches(self, events: Sequence[Event]) -> Iterator[list[Event]]:
        size = self.random.choice((5, 50, 500))
        for first in range(0, len(events), size):
            yield [*events[first : first + size]]

    def _enforce(self, finding: Finding) -> None:
        enforcer = self.world.enforcer
        self.findings += not finding.reminder
        self.reminders += finding.reminder
        done = enforcer.remind(finding) if finding.reminder else enforcer.enforce(finding)
        if done is not None and done.decision.enforced:
            self.acts.append(Act(done.decision, finding, self.now_ms))


def _claims(session: Session, now: int) -> Claims:
    return Claims(
        pool=POOL,
        token_use="access",
        sub=session.user,
        client=session.client,
        user=session.user,
        username=session.user,
        session=session.name,
        token=None,
        auth_time=session.auth_time,
        issued_at=now,
        expires_at=now + 3600,
    )
