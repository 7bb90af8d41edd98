"""Runs one batch of messages through the engine, for the detect Lambda and for tests without Lambda.

Message bodies are EventBridge envelopes; a report names the messages that the queue must deliver again.
Invariants: findings go to enforcement first, then to the bus, and only then are their periods suppressed.
If a message, a key or a finding fails, the others are still processed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from functions.detect.live_rules import InUse
from sessionwarden.detection.batch import Outcome
from sessionwarden.errors import DeliveryError, StoreError
from sessionwarden.model.event import Event, EventPack
from sessionwarden.model.finding import Finding
from sessionwarden.ports import Clock, FindingSink, Publisher
from sessionwarden.sources.strict_json import UNREADABLE


class Envelope(msgspec.Struct, frozen=True, rename={"detail_type": "detail-type"}):
    """What EventBridge wraps around a detail, without the keys that detection does not need."""

    source: str
    detail_type: str
    detail: msgspec.Raw


class LoosePack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An `EventPack` whose events are decoded one by one."""

    version: int
    events: tuple[msgspec.Raw, ...]


_envelopes = msgspec.json.Decoder(Envelope)
_packs = msgspec.json.Decoder(EventPack)
_loose_packs = msgspec.json.Decoder(LoosePack)
_events = msgspec.json.Decoder(Event)


@dataclass(slots=True)
class Report:
    """The result of a batch: the rules it ran on, errors by message index, and counts for metrics."""

    rules: InUse
    errors: dict[int, Exception] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    suppress_error: StoreError | None = None


class Rules(Protocol):
    """Says which rule set the next batch runs on."""

    def read(self) -> InUse: ...


class Detector:
    """Finds abuse in messages; its findings go to the sink and the bus."""

    def __init__(self, *, rules: Rules, sink: FindingSink, bus: Publisher, clock: Clock) -> None:
        self._rules = rules
        self._sink = sink
        self._bus = bus
        self._clock = clock

    def handle(self, bodies: Sequence[str]) -> Report:
        """Process a batch. The queue must deliver again only the messages that the report names."""
        rules = self._rules.read()
        report = Report(rules)
        events: list[Event] = []
        message_of: list[int] = []
        for message, body in enumerate(bodies):
            found = _open(body, message, report)
            events += found
            message_of += [message] * len(found)
        outcome = rules.engine.process(events, now_ms=self._clock())
        for failure in outcome.failures:
            report.errors.setdefault(message_of[failure.index], failure.error)
        undelivered = self._hand_over(outcome.findings)
        for finding, error in undelivered.items():
            for index in outcome.origins[finding]:
                report.errors.setdefault(message_of[index], error)
        try:
            outcome.commit([one for one in outcome.findings if one.id not in undelivered])
        except StoreError as suppress_error:
            # the engine may raise the finding once more, under the same id: no reason to redeliver
            report.suppress_error = suppress_error
        _count(report, events, outcome)
        return report

    def _hand_over(self, findings: Sequence[Finding]) -> dict[str, DeliveryError]:
        undelivered = _each_alone(self._sink.emit, findings)
        emitted = [finding for finding in findings if finding.id not in undelivered]
        return undelivered | _each_alone(self._copy_to_bus, emitted)

    def _copy_to_bus(self, findings: Sequence[Finding]) -> None:
        # a reminder tells subscribers nothing new: the Enforcement event will, if it is acted on
        self._bus.publish("Finding", [msgspec.json.encode(one) for one in findings if not one.reminder])


def _each_alone(
    deliver: Callable[[Sequence[Finding]], None], findings: Sequence[Finding]
) -> dict[str, DeliveryError]:
    """Deliver all at once, or else one by one, so that a bad one fails alone. Repeats are harmless."""
    if not findings:
        return {}
    try:
        deliver(findings)
    except DeliveryError:
        failed = {}
        for finding in findings:
            try:
                deliver([finding])
            except DeliveryError as error:
                failed[finding.id] = error
        return failed
    return {}


def _open(body: str, message: int, report: Report) -> Sequence[Event]:
    """The events of one message; from a pack with a bad event, the good ones, and the message fails."""
    try:
        envelope = _envelopes.decode(body)
        if (envelope.source, envelope.detail_type) != ("sessionwarden.ingest", "Events"):
            report.counts["MessagesIgnored"] += 1
            return ()
        try:
            return _packs.decode(envelope.detail).events
        except UNREADABLE as error:
            report.errors[message] = error
            return _good_events(envelope.detail)
    except UNREADABLE as error:
        report.errors[message] = error
        return ()


def _good_events(detail: msgspec.Raw) -> list[Event]:
    pack = _loose_packs.decode(detail)
    good: list[Event] = []
    for raw in pack.events if pack.version == 1 else ():
        try:
            good.append(_events.decode(raw))
        except UNREADABLE:
            continue  # the message has failed already, and the dead-letter queue keeps its bad event
    return good


def _count(report: Report, events: Sequence[Event], outcome: Outcome) -> None:
    report.counts.update(
        Events=len(events),
        EventsLate=outcome.late,
        EventsFuture=outcome.future,
        EventsRefused=outcome.refused,
        WindowsFull=outcome.full,
        KeysDropped=outcome.dropped_keys,
        Findings=sum(not finding.reminder for finding in outcome.findings),
        Reminders=sum(finding.reminder for finding in outcome.findings),
        MessagesFailed=len(report.errors),
        SuppressionsFailed=int(report.suppress_error is not None),
        RulesFailed=sum(not isinstance(failure.error, StoreError) for failure in outcome.failures),
        RulesetRefused=int(report.rules.refused is not None),
        RulesetUnavailable=int(report.rules.unavailable is not None),
        RulesetFallback=int(report.rules.origin == "fallback"),
    )
