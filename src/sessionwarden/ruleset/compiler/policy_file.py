"""Reads `policy.yml`: the defaults of every rule, and the limits of all enforcement.

The defaults become part of each rule's response; the limits become a `Policy`, which is deployed apart from
the rules. Without a file rules observe, and each scope has the mildest actions that end its abuse. Invariant:
a policy is checked as strictly as a rule, since a misspelt `protected` would protect no principal.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from sessionwarden.documents.check import Check, quoted
from sessionwarden.documents.durations import Duration
from sessionwarden.documents.models import (
    UNIQUE,
    FileModel,
    Hints,
    Text,
    Texts,
    read_model,
    refused,
    refused_parts,
)
from sessionwarden.model.finding import Action, Mode, Scope
from sessionwarden.model.policy import REPEAT_DENY_SECONDS, Policy, Protected
from sessionwarden.ruleset.compiler.response_section import Defaults, why_not_done, why_too_long
from sessionwarden.ruleset.vocabulary import ACTIONS, SCOPE_ACTIONS, SCOPES

MAX_BROAD_DENIES_PER_HOUR = 40
"""Every authorizer reads a day's broad denies, every few seconds."""


def _doable(scope: Scope, actions: list[Action]) -> list[Action]:
    """Refuse each action that cannot be done about `scope`."""
    reasons = [((index,), why_not_done(action, scope)) for index, action in enumerate(actions)]
    if any(why for _, why in reasons):
        raise refused_parts((path, refused(*why)) for path, why in reasons if why)
    return actions


def _broad_seconds(scope: Scope, seconds: int) -> int:
    """Refuse a deny of a client or an address that is longer than any may be."""
    if why := why_too_long(seconds, scope):
        raise refused(*why)
    return seconds


def _network(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError as error:
        # a guess at what was meant could leave half of it unprotected
        hint = "it has host bits set" if "host bits" in str(error) else "like 203.0.113.0/24"
        raise refused(f"{quoted(text)} is not an address or a CIDR block", hint) from error
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise refused(f"{quoted(text)} is an IPv4 address in IPv6", "write it as IPv4")
    return text


Actions = Annotated[
    list[Action],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    Hints(below="alert alone is the least"),
    UNIQUE,
]


def _about(scope: Scope) -> AfterValidator:
    return AfterValidator(partial(_doable, scope))


def _at_first(scope: Scope, *actions: Action) -> Any:
    """The actions about `scope` that hold without a file, and those that editors offer."""
    words: JsonDict = {"items": {"enum": [*SCOPE_ACTIONS[scope]]}}
    return Field(default=list(actions), json_schema_extra=words)


class ActionsByScope(FileModel):
    """What is done about each kind of principal."""

    session: Annotated[Actions, _about("session")] = _at_first("session", "deny", "alert")
    user: Annotated[Actions, _about("user")] = _at_first("user", "deny", "sign_out", "alert")
    client: Annotated[Actions, _about("client")] = _at_first("client", "alert")
    identity: Annotated[Actions, _about("identity")] = _at_first("identity", "alert")
    source_ip: Annotated[Actions, _about("source_ip")] = _at_first("source_ip", "alert")


class BroadDurations(FileModel):
    """How long a deny lasts that may meet many people: a machine is repaired within the hour, an address is
    soon another person's.
    """

    client: Annotated[Duration, AfterValidator(partial(_broad_seconds, "client"))] = 3600
    source_ip: Annotated[Duration, AfterValidator(partial(_broad_seconds, "source_ip"))] = 15 * 60


class DefaultsSection(FileModel):
    """What a rule gets that does not say otherwise."""

    mode: Mode = "observe"
    """observe says what would be done, enforce does it."""
    cooldown: Duration = 15 * 60
    """A principal has one finding per rule in this time."""
    actions: ActionsByScope = ActionsByScope()
    durations: BroadDurations = BroadDurations()


class ProtectedSection(FileModel):
    """Principals that are never acted upon, whatever a rule says."""

    users: Texts = Field(default_factory=list)
    usernames: Texts = Field(default_factory=list)
    groups: Texts = Field(default_factory=list)
    clients: Texts = Field(default_factory=list)
    source_ips: Annotated[list[Annotated[Text, AfterValidator(_network)]], UNIQUE] = Field(
        default_factory=list, json_schema_extra={"uniqueItems": True}
    )
    """Addresses and CIDR blocks."""


class LimitsSection(FileModel):
    """What all rules together may do in an hour."""

    enforcements_per_hour: Annotated[
        int, Field(ge=1), Hints(below="to act on no principal, deploy in observe")
    ] = 20
    alerts_per_hour: Annotated[
        int, Field(ge=1), Hints(below="to be told nothing, leave alert out of the actions")
    ] = 60
    broad_denies_per_hour: Annotated[
        int,
        Field(ge=1, le=MAX_BROAD_DENIES_PER_HOUR),
        Hints(
            below="to deny no client and no address, let their rules alert alone",
            above="every authorizer reads a day's denies, every few seconds",
        ),
    ] = 20


RepeatDenies = Annotated[list[Duration], Field(min_length=1), Hints(below="1m is the shortest that helps")]


class PolicyDocument(FileModel):
    """The defaults of every rule, whom no rule touches, and how much is enforced."""

    defaults: DefaultsSection = DefaultsSection()
    protected: ProtectedSection = ProtectedSection()
    limits: LimitsSection = LimitsSection()
    repeat_denies: RepeatDenies = Field(default_factory=lambda: [*REPEAT_DENY_SECONDS])
    """How long a user cannot sign in after the second act within a day, the third, and so on; the last holds
    for all that follow.
    """


class PolicyFile(NamedTuple):
    """What `policy.yml` says, with the built-in defaults where it says nothing."""

    defaults: Defaults
    policy: Policy


def read_policy(check: Check) -> PolicyFile:
    """The policy of a document; the built-in one, and diagnostics in `check`, if anything is wrong."""
    return _policy(read_model(PolicyDocument, check) or PolicyDocument())


def _policy(document: PolicyDocument) -> PolicyFile:
    defaults, protected = document.defaults, document.protected
    networks = {str(ip_network(text)) for text in protected.source_ips}
    return PolicyFile(
        Defaults(
            mode=defaults.mode,
            cooldown_seconds=defaults.cooldown,
            actions={
                scope: tuple(action for action in ACTIONS if action in getattr(defaults.actions, scope))
                for scope in SCOPES
            },
            durations={"client": defaults.durations.client, "source_ip": defaults.durations.source_ip},
        ),
        Policy(
            protected=Protected(
                users=tuple(sorted(protected.users)),
                usernames=tuple(sorted(protected.usernames)),
                groups=tuple(sorted(protected.groups)),
                clients=tuple(sorted(protected.clients)),
                source_ips=tuple(sorted(networks)),
            ),
            repeat_deny_seconds=tuple(document.repeat_denies),
            **document.limits.model_dump(),
        ),
    )


BUILT_IN = _policy(PolicyDocument())
