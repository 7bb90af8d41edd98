"""Any delivery, crash and lift, in any order: what the enforcer promises holds.

A history is a list of steps: deliver the finding, crashing after so many calls to the outside; lift the
decision; stop or resume enforcement; let time pass. A crash may strike before a call or after it took
effect but before it was acknowledged: from the outside, both look the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sessionwarden.denylist.verdict import judge as verdict
from sessionwarden.enforcement.acted import Acted
from sessionwarden.enforcement.actions import Actions
from sessionwarden.enforcement.alert_text import DeploymentName
from sessionwarden.enforcement.enforcer import Enforcer
from sessionwarden.enforcement.lift import Lift
from sessionwarden.model.deny import Claims
from sessionwarden.model.policy import Protected
from sessionwarden.model.principal import principal
from tests.support.enforcement import CUT_OFF, POOL, SUB, World, deployed, finding, response

WHO = principal(POOL, SUB)
FINDING = finding(
    answer=response(actions=("deny", "sign_out", "disable_user", "alert"), deny_seconds=10**6),
    username=None,
)
NEVER = 99
"""More calls than a delivery makes."""


class CrashError(BaseException):
    """The process is gone; nothing may catch this."""


class Crashing:
    """Passes calls on to `target` and dies at the fuse's call, before it or after it took effect."""

    def __init__(self, target: Any, fuse: Fuse) -> None:
        self._target = target
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._target, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.before()
            answer = method(*args, **kwargs)
            self._fuse.after()
            return answer

        return call


class Fuse:
    """Counts calls over all ports; `meanwhile` happens once, right before the chosen call."""

    def __init__(self, *, at: int, acknowledged: bool, meanwhile: Callable[[], None] | None = None) -> None:
        self._left = at
        self._acknowledged = acknowledged
        self._meanwhile = meanwhile

    def before(self) -> None:
        if self._left == 0 and self._meanwhile is not None:
            self._meanwhile()
        elif self._left == 0 and not self._acknowledged:
            raise CrashError
        self._left -= 1

    def after(self) -> None:
        if self._left == -1 and self._acknowledged and self._meanwhile is None:
            raise CrashError


crashes = st.tuples(st.just("deliver"), st.integers(0, 34), st.booleans())
overtaken = st.tuples(st.just("deliver_while_lifting"), st.integers(0, 34), st.just(False))
delivery = st.tuples(st.just("deliver"), st.just(NEVER), st.just(False))
others = st.tuples(st.sampled_from(["lift", "stop", "resume", "wait"]), st.just(0), st.just(False))
half_lifts = st.tuples(st.just("lift"), st.integers(0, 6), st.booleans())
histories = st.lists(crashes | overtaken | delivery | others | half_lifts, max_size=10)


class History:
    """A world, and what has happened in it."""

    def __init__(self) -> None:
        self.world = World(deployment=deployed(protected=Protected(usernames=("root",))))
        self.cut_offs: set[int | None] = set()
        self.lifted = False

    def play(self, step: tuple[str, int, bool]) -> None:
        kind, at, acknowledged = step
        if kind == "deliver":
            self.deliver(Fuse(at=at, acknowledged=acknowledged))
        elif kind == "deliver_while_lifting":
            self.deliver(Fuse(at=at, acknowledged=False, meanwhile=lambda: self.lift(NEVER)))
        elif kind == "lift":
            self.lift(at or NEVER, acknowledged=acknowledged)
        elif kind == "stop":
            self.world.control.stop(by="x", at_ms=self.world.now_ms)
        elif kind == "resume":
            self.world.control.resume()
        self.world.now_ms += 61_000
        self.cut_offs |= {entry.not_before for entry in self.world.denylist.entries(WHO)}

    def deliver(self, fuse: Fuse) -> None:
        world = self.world
        actions = Actions(
            decisions=Crashing(world.decisions, fuse),
            denylist=Crashing(world.denylist, fuse),
            control=Crashing(world.control, fuse),
            acted=Acted(Crashing(world.coverage, fuse)),
            users=Crashing(world.users, fuse),
            clock=lambda: world.now_ms,
        )
        enforcer = Enforcer(
            deployment=world.deployment,
            actions=actions,
            alerts=Crashing(world.alerts, fuse),
            bus=Crashing(world.bus, fuse),
            name=DeploymentName(stack="s", region="r"),
        )
        with suppress(CrashError):
            enforcer.enforce(FINDING)

    def lift(self, at: int, *, acknowledged: bool = False) -> None:
        fuse = Fuse(at=at, acknowledged=acknowledged)
        world = self.world
        lift = Lift(
            decisions=Crashing(world.decisions, fuse),
            denylist=Crashing(world.denylist, fuse),
            acted=Acted(Crashing(world.coverage, fuse)),
            users=Crashing(world.users, fuse),
        )
        with suppress(CrashError):
            answer = lift.lift(FINDING.id, lifted_at=world.now_ms // 1000, by="x", revive_tokens=False)
            self.lifted = self.lifted or answer is not None

    def fresh_session_allowed(self) -> bool:
        now = self.world.now_ms // 1000
        claims = Claims(
            pool=POOL,
            token_use="access",
            sub=SUB,
            client="app",
            user=SUB,
            username="bob",
            session="fresh",
            token=None,
            auth_time=now,
            issued_at=now,
            expires_at=now + 3600,
        )
        return verdict(self.world.denylist.entries(WHO), claims, now=now).allowed


@given(histories)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_history_moves_a_cut_off_or_forgets_an_action(steps: list[tuple[str, int, bool]]) -> None:
    history = History()
    for step in steps:
        history.play(step)
    world = history.world
    assert len(history.cut_offs) <= 1, "not_before moved"
    world.control.resume()
    history.deliver(Fuse(at=NEVER, acknowledged=False))
    known = world.decisions.get(FINDING.id)
    assert known is not None
    if known.decision.simulated:
        assert known.decision.withheld == "stopped"
        assert not world.denylist.entries(WHO)
        assert not world.users.signed_out
        assert not world.users.disabled
        return
    done = {result.action for result in known.results if result.outcome == "done"}
    skipped = {result.action for result in known.results if result.outcome == "skipped"}
    assert done | skipped == {"deny", "sign_out", "disable_user", "alert"}
    assert ("sign_out" not in done) or world.users.signed_out
    assert skipped == set() or known.lifted_at is not None or ("stop", 0, False) in steps
    assert len(world.alerts.sent) <= 1 + sum(step[0] == "deliver" and step[1] != NEVER for step in steps)


@given(histories)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_from_a_lift_on_no_history_keeps_a_new_sign_in_out(steps: list[tuple[str, int, bool]]) -> None:
    history = History()
    for step in steps:
        history.play(step)
        if history.lifted:
            assert history.fresh_session_allowed()
            assert not history.world.users.disabled


@given(st.integers(0, 34), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_delivery_that_crashes_anywhere_is_completed_by_the_next(at: int, acknowledged: bool) -> None:
    history = History()
    history.play(("deliver", at, acknowledged))
    history.play(("deliver", NEVER, False))
    world = history.world
    assert len(world.denylist.entries(WHO)) == 1
    assert world.users.signed_out
    assert world.users.disabled
    assert world.alerts.sent
    assert world.bus.published
    known = world.decisions.get(FINDING.id)
    assert known is not None
    assert known.decision.not_before in {CUT_OFF, CUT_OFF + 61}
    assert len(history.cut_offs) == 1
