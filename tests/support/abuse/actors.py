"""Those who use the guarded API: abusers who never give up, owners, and people with several devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.support.abuse.guarded_api import STEP_MS, GuardedApi, Session


@dataclass
class Actor:
    """Makes `rate` requests a second, over `devices` sessions in turn, from `start_s` to `end_s`.

    Refused, it signs in again after `pause_s` seconds, as often as it can; `gives_up` never does.
    """

    user: str
    rate: float
    devices: int = 1
    start_s: int = 0
    end_s: int = 10**9
    pause_s: int = 0
    gives_up: bool = False
    source_ip: str = "192.0.2.1"
    guarded: bool = True
    sessions: list[Session | None] = field(default_factory=list)
    served: int = 0
    refused: int = 0
    sign_ins: int = 0
    locked_out: int = 0
    _due: float = 0.0
    _again_ms: dict[int, int] = field(default_factory=dict)

    def act(self, api: GuardedApi, second: int, random: Random) -> None:
        """What it does in this second."""
        if not self.start_s <= second < self.end_s:
            return
        if not self.sessions:
            self.sessions = [None] * self.devices
            for device in range(self.devices):
                self._sign_in(api, device)
        self._due += self.rate
        for number in range(int(self._due)):
            self._request(api, number % self.devices, api.now_ms + random.randrange(STEP_MS))
        self._due %= 1

    def _request(self, api: GuardedApi, device: int, at_ms: int) -> None:
        session = self.sessions[device]
        if session is None:
            if not self.gives_up and api.now_ms >= self._again_ms.get(device, 0):
                self._sign_in(api, device)
            return
        if api.request(session, at_ms=at_ms, guarded=self.guarded):
            self.served += 1
            return
        self.refused += 1
        self.sessions[device] = None
        self._again_ms[device] = api.now_ms + self.pause_s * 1000

    def _sign_in(self, api: GuardedApi, device: int) -> None:
        self.sessions[device] = api.sign_in(self.user, self.source_ip)
        self.sign_ins += self.sessions[device] is not None
        self.locked_out += self.sessions[device] is None
        self._again_ms[device] = api.now_ms + STEP_MS


def play(api: GuardedApi, actors: list[Actor], *, seconds: int, random: Random) -> None:
    """Let the actors act for so many seconds."""
    for second in range(seconds):
        for actor in actors:
            actor.act(api, second, random)
        api.step()
