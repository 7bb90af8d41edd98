"""The engine: events in, findings out, over a store that keeps all lasting state.

It decides which rules were met, whatever the order and the number of deliveries, in however many processes.
What is guaranteed, and the proof: docs/explanation/windows.md.
"""

# Two rules make all of that true:
#
# 1. Write, then read. On each level, all members of all keys of a batch are written before any key is read.
#    Sets only grow, and a read sees every write that was acknowledged before it. So of two processes that
#    bring the last two members of an interval, the one that reads later sees both.
# 2. Emit, then suppress. A period is suppressed only after its finding was emitted. So a crash between any
#    two steps costs a repetition under the same finding id, and never a finding.
#
# A batch goes through these steps. Level 0 has the windows of events; each level above has the windows that
# count the matches of rules on the levels below it.
#
#     step        what happens                                        calls of the store    what stays stored
#     ----------  --------------------------------------------------  --------------------  -----------------
#     collect     which events count, for which keys                  none                  -
#     each level:
#       fill      members of the events and matches of each key       none                  -
#       write     members into own sets or a shared log; new keys     one write for each    members
#                 only as far as admission serves them                set or shared log
#       judge     the members around them, in one consistent read;    one read for each     -
#                 the intervals that meet a rule; of those, periods   group; a look-up of
#                 without a suppression marker are findings           markers after a match
#       pass on   matches, to the windows downstream                  none                  -
#     outcome     findings and failures, for the caller to emit       none                  -
#     commit      markers of the periods whose finding was emitted    one write a finding   markers
#
# What one call writes or reads fails together: the events behind it are named in the outcome, to be delivered
# again. Between two batches the engine keeps a cache of keys, which only saves calls.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Protocol, TypeVar

from sessionwarden.correlations.values import EventHash, event_hash
from sessionwarden.detection.acceptance import LATE_MS, SKEW_MS, is_our_refusal
from sessionwarden.detection.batch import Batch, Failure, Outcome, Work
from sessionwarden.detection.evaluation import Evaluation, Evaluator
from sessionwarden.detection.storage.admission import Admission
from sessionwarden.detection.storage.own_sets import OwnSets
from sessionwarden.detection.storage.placement import Group, Placement, Read
from sessionwarden.detection.windows.downstream import downstream_of
from sessionwarden.detection.windows.key_state import KeyCache
from sessionwarden.detection.windows.plan import build_watches, build_windows
from sessionwarden.detection.windows.suppression_markers import SuppressionMarkers
from sessionwarden.model.event import Event
from sessionwarden.ports import SharedLogStore, WindowStore
from sessionwarden.ruleset.compiled import CompiledRuleset

T = TypeVar("T")
R = TypeVar("R")


class Runner(Protocol):
    """Calls a function for every item, in order or at once: `map`, or a thread pool's `map`."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]: ...


def one_by_one(function: Callable[[T], R], items: Iterable[T], /) -> Iterable[R]:
    """The runner without threads."""
    return map(function, items)


class Engine:
    """Evaluates one rule set, which passed the gate of `load_ruleset`, over one store.

    One engine serves one batch at a time. `run` may use threads to call the store for several keys at once.
    With `shared_logs`, keys of short windows share sets there. Without an `admission`, every new key is
    served. `acting` if findings may be acted upon: then reminders follow them while a key goes on, for an act
    covers no more than the events before it. Raises `RulesetError` for an expression that cannot be compiled.
    """

    def __init__(
        self,
        ruleset: CompiledRuleset,
        store: WindowStore,
        *,
        run: Runner = one_by_one,
        shared_logs: SharedLogStore | None = None,
        admission: Admission | None = None,
        acting: bool = False,
    ) -> None:
        windows = build_windows(ruleset, acting=acting)
        self._levels = 1 + max((window.level for window in windows), default=0)
        self._watches = build_watches(windows)
        self._downstream = downstream_of(windows)
        self._caches = {window: KeyCache(window) for window in windows}
        self._admission = admission or Admission()
        self._placement = Placement(OwnSets(store, self._admission), shared_logs)
        self._markers = SuppressionMarkers(store)
        self._evaluator = Evaluator(self._markers, store.member_limit, ruleset.digest)
        self._run = run

    def process(self, events: Sequence[Event], *, now_ms: int) -> Outcome:
        """All steps up to the outcome. Emit its findings, then call its `commit` with those accepted."""
        batch = self.collect(events, now_ms=now_ms)
        for level in range(self._levels):
            self.write(batch, level)
            self._judge(batch, level)
            batch.close(level)
        return batch.outcome(self._markers)

    def collect(self, events: Sequence[Event], *, now_ms: int) -> Batch:
        """Which events count for which keys."""
        for cache in self._caches.values():
            cache.sweep()
        self._admission.begin(now_ms=now_ms)
        batch = Batch(events, self._caches, [{} for _ in range(self._levels)])
        oldest, newest_allowed = now_ms - LATE_MS, now_ms + SKEW_MS
        for index, event in enumerate(events):
            if event.time < oldest:
                batch.late += 1
            elif event.time > newest_allowed:
                batch.future += 1
            elif is_our_refusal(event):
                batch.refused += 1
            else:
                self._collect_event(batch, index, event)
        return batch

    def _collect_event(self, batch: Batch, index: int, event: Event) -> None:
        watching = self._watches.get(event.source)
        for matches, read_key, window, step in watching.possible(event) if watching else ():
            try:
                key = read_key(event) if matches(event) else None
            except Exception as error:  # a rule that raises on this event must not stop the batch
                batch.failures.append(Failure(index, error))
                continue
            if key is not None and (work := batch.work(window, key, event.time)):
                work.arrivals.append((index, step))
                work.behind.add(index)

    def write(self, batch: Batch, level: int = 0) -> None:
        """Make and write all members of a level's keys, before any is read."""
        hash_once = _remembering_hash()
        works = batch.levels[level].values()
        for work in works:
            try:
                work.fill(batch.events, hash_once)
            except Exception as error:  # poison in one key must not keep the others from being watched
                work.error = error
        groups = self._placement.admitted(work for work in works if work.due)
        for group, failed in zip(groups, self._run(self._write_group, groups), strict=True):
            for work in group.works:
                work.error = failed

    def _write_group(self, group: Group) -> Exception | None:
        try:
            self._placement.write(group)
        except Exception as error:  # as above
            return error
        return None

    def _judge(self, batch: Batch, level: int) -> None:
        """Read and evaluate a level's keys: findings, and matches for the levels above.

        Keys that were told of just now wait for their next reminder: reading them is dear, and says nothing.
        """
        groups = self._placement.groups(
            work for work in batch.levels[level].values() if work.due and not work.told
        )
        works = [work for group in groups for work in group.works]
        results = chain.from_iterable(self._run(lambda group: self._judge_group(batch, group), groups))
        for work, result in zip(works, results, strict=True):
            if isinstance(result, Exception):
                work.error = result
                continue
            batch.evaluated.append(work)
            batch.full += result.full
            for raised in result.raised:
                batch.raised[raised.finding.id] = raised
                batch.origins[raised.finding.id] = work.indices
            for match in result.matches:
                batch.pass_on(match, self._downstream.get(match.rule.rule.id, ()), work.behind)

    def _judge_group(self, batch: Batch, group: Group) -> list[Evaluation | Exception]:
        try:
            read = self._placement.read(group)
        except Exception as error:  # as above
            return [error for _ in group.works]
        return [self._judge_key(batch, work, read) for work in group.works]

    def _judge_key(self, batch: Batch, work: Work, read: Read) -> Evaluation | Exception:
        try:
            stored = read(work) if work.members else {}
            return self._evaluator.evaluate(work, stored, batch.events)
        except Exception as error:  # as above
            return error


def _remembering_hash() -> EventHash:
    """`event_hash`, once for each event of a batch: many keys may count it."""
    known: dict[int, bytes] = {}
    return lambda event: known.get(id(event)) or known.setdefault(id(event), event_hash(event))
