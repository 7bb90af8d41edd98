"""Runs the demo's scenario against a deployment: abused sessions end, honest users go on, an undo follows.

The result is a `Report` of measurements and expectations. Invariant: everything in the report was answered by
an API, a queue or a command during this run. An expectation that fails is reported and the scenario goes on;
only if it cannot go on (no answer, no finding), it raises `LocalStackError`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from sessionwarden.errors import LocalStackError
from sessionwarden.local.demo.load import ABUSE_SECONDS, REFUSED, HonestUsers, abuse
from sessionwarden.local.demo.mailboxes import WAIT_SECONDS, Mailbox, Message, listen_to_bus, listen_to_topic
from sessionwarden.local.demo.report import (
    SIMULATED,
    CommandRun,
    EndpointResult,
    Expectation,
    Incident,
    Moment,
    Report,
)
from sessionwarden.local.demo.session import run_command
from sessionwarden.local.demo.stack import LocalStack, Progress, Step
from sessionwarden.local.demo.traffic import (
    AccessLog,
    Account,
    Answer,
    SignIn,
    Tokens,
    Visitor,
    new_id,
    now_ms,
)

HONEST = ("ana", "ben", "chloe", "dan")
HAMMER = "mallory"
OWNER = "vera"
HAMMER_CONNECTIONS = 3
# The shipped rule matches at 300 a minute; the rest is spare, since lines are written after the requests.
HAMMER_LINES = 320
HURRY_SECONDS = 15.0
THIEF_PAUSE_SECONDS = 0.03
HONEST_ADDRESS = "198.51.100.1"
# The thief's proxies; the owner's address is not among them.
THIEF_ADDRESSES = tuple(f"203.0.113.{number}" for number in range(1, 13))
OWNER_ADDRESS = "192.0.2.7"
HAMMER_ADDRESS = "192.0.2.66"

GUARD = "Sessionwarden's authorizer, HTTP API"
GUARD_REST = "Sessionwarden's authorizer, REST API"
LEGACY = "Cognito's own JWT authorizer, same API"
GET_USER = "Cognito GetUser"
REFRESH = "Cognito token refresh"
GONE = "NotAuthorizedException"
AFTER = {GUARD: "403", GUARD_REST: "403", LEGACY: "200", GET_USER: GONE, REFRESH: GONE}


@dataclass(slots=True)
class _Scene:
    """The state that the parts of one run share."""

    stack: LocalStack
    people: SignIn
    log: AccessLog
    findings: Mailbox
    enforcements: Mailbox
    alerts: Mailbox
    expectations: list[Expectation] = field(default_factory=list)
    replayed: int = 0

    def expect(self, name: str, expected: object, got: object) -> None:
        self.expectations.append(Expectation(name=name, expected=str(expected), got=str(got)))


def play(stack: LocalStack, progress: Progress, *, started: float) -> Report:
    """Run the scenario, which takes about 20 s on two cores.

    `started` is `time.monotonic()` at the start of the demo.
    """
    people = SignIn(stack.emulator, stack.api)
    with progress.step(f"{len(HONEST)} honest users, {OWNER} and {HAMMER} get accounts"):
        honest = [people.sign_in(people.create(name)) for name in HONEST]
        owner, hammer = people.create(OWNER), people.create(HAMMER)
        scene = _Scene(
            stack=stack,
            people=people,
            log=AccessLog(stack.emulator, stack.access_log_groups),
            findings=listen_to_bus(stack.emulator, stack.outputs["EventBus"], detail_type="Finding"),
            enforcements=listen_to_bus(stack.emulator, stack.outputs["EventBus"], detail_type="Enforcement"),
            alerts=listen_to_topic(stack.emulator, stack.outputs["AlertTopic"]),
        )
    endpoints = [stack.guarded, stack.rest, stack.legacy]
    with scene.log, HonestUsers(honest, endpoints, scene.log) as honest_users:
        with progress.step("One request goes all the way into a window; every function starts cold"):
            _first_request(scene, honest[0])
        with progress.step("Honest users work, and go on working until the end"):
            honest_users.start()
            honest_users.wait_until_each_was_served(len(endpoints))
        theft = _theft(scene, owner, progress)
        hammering, endpoint_results, tokens = _hammering(scene, hammer, progress)
        undo, fresh_status, old_status = _undo(scene, hammer, hammering.decision_id, tokens, progress)
        honest_users.stop()
    if scene.log.failure is not None:
        raise LocalStackError(
            f"access-log lines were not written: {scene.log.failure}"
        ) from scene.log.failure
    errors = len(honest_users.failures) + sum(answer.status != 200 for answer in honest_users.answers)
    scene.expect("errors that honest users saw", 0, errors)
    return Report(
        simulated=SIMULATED,
        replayed_lines=scene.replayed,
        incidents=(theft, hammering),
        endpoints=tuple(endpoint_results),
        honest_users=len(HONEST),
        honest_requests=len(honest_users.answers),
        honest_errors=errors,
        undo=undo,
        new_token_after_undo=fresh_status,
        old_token_after_undo=old_status,
        expectations=tuple(scene.expectations),
        seconds=round(time.monotonic() - started, 1),
    )


def _first_request(scene: _Scene, tokens: Tokens) -> None:
    """Make one request and wait until its event is counted, so that every function is warm.

    Many requests at once would start a cold process each, which takes a minute on two cores.
    """
    visitor = Visitor(tokens, address=HONEST_ADDRESS)
    scene.expect("the first request", 200, visitor.request(scene.stack.guarded, scene.log).status)
    visitor.close()
    database = scene.stack.emulator.client("dynamodb")
    deadline = time.monotonic() + WAIT_SECONDS
    while not database.scan(TableName=scene.stack.outputs["WindowsTable"], Limit=1)["Items"]:
        if time.monotonic() > deadline:
            raise LocalStackError(f"the first request was not counted within {WAIT_SECONDS:.0f} s")
        time.sleep(0.1)


def _theft(scene: _Scene, account: Account, progress: Progress) -> Incident:
    """The owner works at one address, while a thief uses the same session through many."""
    stolen = scene.people.sign_in(account)
    owner = Visitor(stolen, address=OWNER_ADDRESS)
    scene.expect(f"{OWNER} works before the theft", 200, owner.request(scene.stack.rest, scene.log).status)
    with progress.step(f"A thief uses {OWNER}'s session from many addresses") as step:
        answers = _steal(scene, stolen, step)
        incident = _incident(scene, account, answers)
    scene.expect(f"{OWNER}'s stolen session after", REFUSED, owner.request(scene.stack.rest).status)
    owner.close()
    renewed = Visitor(scene.people.sign_in(account), address=OWNER_ADDRESS)
    scene.expect(f"{OWNER} after signing in again", 200, renewed.request(scene.stack.rest, scene.log).status)
    renewed.close()
    return incident


def _steal(scene: _Scene, stolen: Tokens, step: Step) -> list[Answer]:
    """Send requests, each from the next address, until one is refused or time is up."""
    answers: list[Answer] = []
    deadline = time.monotonic() + ABUSE_SECONDS
    for address in itertools.cycle(THIEF_ADDRESSES):
        visitor = Visitor(stolen, address=address)
        answers.append(visitor.request(scene.stack.rest, scene.log))
        visitor.close()
        step.update(f"{len(answers)} requests")
        if answers[-1].status == REFUSED or time.monotonic() > deadline:
            return answers
        time.sleep(THIEF_PAUSE_SECONDS)
    raise AssertionError("a cycle does not end")


def _hammering(
    scene: _Scene, account: Account, progress: Progress
) -> tuple[Incident, list[EndpointResult], Tokens]:
    """One user sends the same request as fast as the API answers, from two sessions: both must end."""
    tokens, other = (scene.people.sign_in(account) for _ in range(2))
    before = _try_everything(scene, tokens)
    scene.expect(f"endpoints open to {account.username} before", dict.fromkeys(AFTER, "200"), before)
    with progress.step(f"{HAMMER} hammers GET /orders") as step:
        hurry = time.monotonic() + HURRY_SECONDS

        def watch(made: int) -> None:
            if time.monotonic() > hurry and not scene.replayed:
                scene.replayed = _replay(scene, account)
            step.update(f"{made} requests" + (f", {scene.replayed} lines replayed" if scene.replayed else ""))

        answers = abuse(
            [
                Visitor(used, address=HAMMER_ADDRESS)
                for _, used in zip(range(HAMMER_CONNECTIONS), itertools.cycle((tokens, other)), strict=False)
            ],
            scene.stack.guarded,
            scene.log,
            watch=watch,
        )
        incident = _incident(scene, account, answers)
    after = _try_everything(scene, tokens)
    for endpoint, expected in AFTER.items():
        scene.expect(f"the same token after: {endpoint}", expected, after[endpoint])
    endpoints = [
        EndpointResult(name=endpoint, before=before[endpoint], after=after[endpoint]) for endpoint in AFTER
    ]
    return incident, endpoints, tokens


def _replay(scene: _Scene, account: Account) -> int:
    """Write the user's real lines again with new ids until there are enough; returns how many.

    This is for machines on which an emulator cannot answer 300 requests in a minute. The report says so.
    """
    made = [line for line in scene.log.lines if line.user == account.user and line.status == 200]
    missing = max(0, HAMMER_LINES - len(made))
    now = now_ms()
    lines = itertools.islice(itertools.cycle(made), missing)
    scene.log.write(replace(line, id=new_id(), time=now - number) for number, line in enumerate(lines))
    return missing if made else 0


def _incident(scene: _Scene, account: Account, answers: Sequence[Answer]) -> Incident:
    """Wait for finding, enforcement and alert, and put them on one timeline."""
    finding = scene.findings.wait_for(_about(account.user), f"a finding about {account.username}")
    facts = finding.body["detail"]
    done = scene.enforcements.wait_for(
        lambda message: bool(message.body["detail"]["decision"]["id"] == facts["id"]),
        f"the enforcement against {account.username}",
    ).body["detail"]
    alert = scene.alerts.wait_for(
        lambda message: facts["id"] in message.body.get("Message", ""), f"the alert about {account.username}"
    ).body
    denied_at = next((result["time"] for result in done["results"] if result["action"] == "deny"), None)
    refused = [answer for answer in answers if answer.status == REFUSED]
    if denied_at is None or not refused:
        raise LocalStackError(f"{account.username} was found out, but not stopped: {done['results']}")
    late = [answer for answer in answers if answer.sent_at > denied_at and answer.status != REFUSED]
    scene.expect(f"requests of {account.username} let through once the deny was in force", 0, len(late))
    scene.expect(
        f"results of the actions against {account.username}",
        ["done"] * len(done["results"]),
        [result["outcome"] for result in done["results"]],
    )
    # by now every line of the abuse is written, also the one that crossed the threshold
    # two lines can have one time, and be written by two threads: the first of them can have crossed it
    crossing_at = min(
        scene.log.written_at[line.id]
        for line in scene.log.lines
        if line.user == account.user and line.time == facts["time"]
    )
    return Incident(
        username=account.username,
        rule=facts["title"],
        count=facts["count"],
        decision_id=facts["id"],
        actions=tuple(result["action"] for result in done["results"]),
        requests=len(answers),
        timeline=_timeline(
            ("the log line that crosses the threshold is written", crossing_at),
            (f"finding: {facts['title']} ({facts['count']} in the window)", finding.sent_at),
            ("deny in force: DynamoDB has acknowledged the write", denied_at),
            ("first refused request: 403", min(answer.answered_at for answer in refused)),
        ),
        alert_subject=alert.get("Subject", ""),
        alert_message=alert["Message"],
    )


def _about(user: str) -> Callable[[Message], bool]:
    return lambda message: bool(message.body["detail"].get("user") == user)


def _timeline(*moments: tuple[str, int]) -> tuple[Moment, ...]:
    start = moments[0][1]
    return tuple(Moment(what=what, at=at, after_ms=at - start) for what, at in moments)


def _undo(
    scene: _Scene, account: Account, decision_id: str, old: Tokens, progress: Progress
) -> tuple[CommandRun, str, str]:
    """Lift the decision; returns the command, and the answers to a new and to the old token."""
    with progress.step(f"An operator lifts the decision, and {account.username} signs in again"):
        undo = run_command(scene.stack.emulator, "decisions", "delete", decision_id)
        fresh_status = _status_of(scene, scene.people.sign_in(account))
        old_status = _status_of(scene, old)
    scene.expect("exit status of decisions delete", 0, undo.exit_status)
    scene.expect(f"{account.username} after the undo and a new sign-in", "200", fresh_status)
    scene.expect(f"{account.username}'s old token after the undo", "403", old_status)
    return undo, fresh_status, old_status


def _status_of(scene: _Scene, tokens: Tokens) -> str:
    visitor = Visitor(tokens, address=HAMMER_ADDRESS)
    try:
        return str(visitor.request(scene.stack.guarded).status)
    finally:
        visitor.close()


def _try_everything(scene: _Scene, tokens: Tokens) -> dict[str, str]:
    """The answers of every endpoint to one session's tokens now."""
    visitor = Visitor(tokens, address=HAMMER_ADDRESS)
    try:
        return {
            GUARD: str(visitor.request(scene.stack.guarded).status),
            GUARD_REST: str(visitor.request(scene.stack.rest).status),
            LEGACY: str(visitor.request(scene.stack.legacy).status),
            GET_USER: scene.people.get_user(tokens),
            REFRESH: scene.people.refresh(tokens),
        }
    finally:
        visitor.close()
