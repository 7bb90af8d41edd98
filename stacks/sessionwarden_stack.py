"""The stack that an operator deploys: it connects the constructs, and has the outputs that commands read.

Its template names no account and no Region. Outputs: docs/reference/data.md. What differs between AWS and the
emulator is in `stacks.targets`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from sessionwarden.constructs.alerts import Alarms, AlertTopic
from sessionwarden.constructs.authorizer import Authorizer
from sessionwarden.constructs.detection import Detection
from sessionwarden.constructs.enforcement import Enforcement, FindingsQueue
from sessionwarden.constructs.function import WardenFunction
from sessionwarden.constructs.ingest import ApiKind, Ingest
from sessionwarden.constructs.live_rules import LiveRules
from sessionwarden.constructs.pre_token_generation import PreTokenGeneration
from sessionwarden.constructs.state import State
from stacks.settings import Settings, SnapStart, UserPool
from stacks.targets import PROFILES, jwks_url

SNAP_START: Mapping[SnapStart, lambda_.SnapStartConf | None] = {
    "on": lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS,
    "off": None,
}
EVENTS_MAX_AGE_SECONDS = 300
FINDINGS_MAX_AGE_SECONDS = 120


class Bundle(Protocol):
    """The code of Lambda functions: a folder, and the digest of its content, which names the asset."""

    @property
    def path(self) -> Path: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFormats:
    """The access-log formats that an API's stage must be set to."""

    http_api: str
    rest_api: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Digests of what lies beside the code: the policy, and the rules that run until others are published."""

    ruleset_digest: str
    policy_digest: str


class SessionwardenStack(Stack):
    """Everything that Sessionwarden deploys beside the APIs and pools it watches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        functions_bundle: Bundle,
        authorizer_bundle: Bundle,
        log_formats: LogFormats,
        shipped: Shipped,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name,
            description="Sessionwarden: ends abused API sessions at once",
        )
        self.settings = settings
        profile = PROFILES[settings.target]
        functions_code = _code(functions_bundle)
        pools_json = self._user_pools_json()
        pool_arns = {pool.pool_id: self._user_pool_arn(pool) for pool in settings.user_pools}

        self.state = State(self, "State")
        self.alerts = AlertTopic(
            self, "Alerts", display_name=f"Sessionwarden {settings.stack_name}", email=settings.alert_email
        )
        self.alarms = Alarms(self, "Alarms", topic=self.alerts.topic)
        self.bus = events.EventBus(
            self,
            "Bus",
            # CDK would derive the name from the construct tree, the same for a second stack in the account
            event_bus_name=settings.stack_name,
            description=f"Events and findings of {settings.stack_name}",
        )
        self.authorizer = Authorizer(
            self,
            "Authorizer",
            stack_name=settings.stack_name,
            code=_code(authorizer_bundle),
            denylist=self.state.denylist,
            user_pools_json=pools_json,
            reserved_concurrency=settings.authorizer_concurrency,
            snap_start=SNAP_START[settings.authorizer_snap_start],
            options=_authorizer_options(settings),
        )
        self._register_apis()
        self.ingest = Ingest(
            self,
            "Ingest",
            stack_name=settings.stack_name,
            code=functions_code,
            bus=self.bus,
            apis=_kinds(settings),
            authorizer=self.authorizer.authorizer,
        )
        self.findings = FindingsQueue(self, "Findings")
        self.detection = Detection(
            self,
            "Detection",
            stack_name=settings.stack_name,
            code=functions_code,
            bus=self.bus,
            windows=self.state.windows,
            findings_queue=self.findings.queue,
            mode=settings.mode,
            max_concurrency=profile.detect_max_concurrency,
            batching_window_seconds=profile.batching_window_seconds,
            new_keys_per_minute=settings.new_keys_per_minute,
            memory_mb=settings.detect_memory_mb,
        )
        self.enforcement = Enforcement(
            self,
            "Enforcement",
            stack_name=settings.stack_name,
            code=functions_code,
            bus=self.bus,
            state=self.state,
            findings=self.findings,
            alerts=self.alerts.topic,
            mode=settings.mode,
            user_pools_json=pools_json,
            user_pool_arns=[*pool_arns.values()],
            session_lifetime_seconds=settings.session_lifetime_seconds,
        )
        self.pre_token_generation = PreTokenGeneration(
            self,
            "PreTokenGeneration",
            stack_name=settings.stack_name,
            code=functions_code,
            denylist=self.state.denylist,
            user_pools_json=pools_json,
            user_pool_arns=pool_arns,
        )
        rollback_alarms = self._watch()
        self.live_rules = LiveRules(
            self,
            "Rules",
            stack_name=settings.stack_name,
            code=functions_code,
            monitors=rollback_alarms,
            rollout_minutes=profile.rollout_minutes,
            bake_minutes=profile.bake_minutes,
        )
        self.detection.poll_rules(self.live_rules)
        self._watch_function("ValidateRules", self.live_rules.validator)
        self._describe(pools_json=pools_json, log_formats=log_formats)
        self._describe_rules(shipped)

    def _register_apis(self) -> None:
        registrations, settings = self.authorizer.registrations, self.settings
        for api_id in settings.http_api_ids:
            registrations.register_http_api(api_id, answer=settings.http_api_answer)
        for api_id in settings.rest_api_ids:
            registrations.register_rest_api(api_id)
        for api_id in settings.rest_token_api_ids:
            registrations.register_rest_token_api(api_id)
        for api_id in settings.websocket_api_ids:
            registrations.register_websocket_api(api_id, token_parameter=settings.websocket_token_parameter)
        for api_id in settings.appsync_api_ids:
            registrations.admit_appsync_api(api_id)

    def _user_pools_json(self) -> str:
        """The value of `SESSIONWARDEN_USER_POOLS`: docs/reference/data.md."""
        pools: list[dict[str, object]] = []
        for pool in self.settings.user_pools:
            entry: dict[str, object] = {
                "pool_id": pool.pool_id,
                "client_ids": None if pool.client_ids is None else [*pool.client_ids],
            }
            if self.settings.local_endpoint is not None:
                entry["jwks_url"] = jwks_url(self.settings.local_endpoint, pool.pool_id)
            pools.append(entry)
        return json.dumps(pools)

    def _user_pool_arn(self, pool: UserPool) -> str:
        return self.format_arn(service="cognito-idp", resource="userpool", resource_name=pool.pool_id)

    def _watch(self) -> Sequence[cloudwatch.IAlarm]:
        """Make every alarm; returns those that revert a rule set while it is rolled out."""
        alarms = self.alarms
        alarms.watch_dead_letters("Ingest", self.ingest.failures)
        alarms.watch_dead_letters("Rule", self.detection.undelivered)
        alarms.watch_dead_letters("Events", self.detection.events.dead_letters)
        alarms.watch_dead_letters("Findings", self.findings.dead_letters)
        alarms.watch_age("Events", self.detection.events.queue, max_age_seconds=EVENTS_MAX_AGE_SECONDS)
        alarms.watch_age("Findings", self.findings.queue, max_age_seconds=FINDINGS_MAX_AGE_SECONDS)
        alarms.watch_async("Ingest", self.ingest.ingest.function)
        for name, construct in {
            "Ingest": self.ingest.ingest,
            "Detect": self.detection.detect,
            "Enforce": self.enforcement.enforce,
            "PreTokenGeneration": self.pre_token_generation.trigger,
        }.items():
            self._watch_function(name, construct)
        alarms.watch_throttles("Authorizer", self.authorizer.authorizer.function)
        alarms.watch_count("AuthorizerMalfunctions", self.authorizer.malfunctions)
        alarms.watch_count("AuthorizerStaleKeys", self.authorizer.stale_keys)
        alarms.watch_count("IngestQuarantined", self.ingest.quarantined)
        alarms.watch_count("KeysDropped", self.detection.keys_dropped)
        alarms.watch_count("RulesetUnavailable", self.detection.ruleset_unavailable)
        alarms.watch_count("RulesetFallback", self.detection.ruleset_fallback)
        return (
            alarms.watch_count("RulesetRefused", self.detection.ruleset_refused),
            alarms.watch_count("RulesFailed", self.detection.rules_failed),
        )

    def _watch_function(self, name: str, construct: WardenFunction) -> None:
        self.alarms.watch_errors(name, construct.function)
        self.alarms.watch_throttles(name, construct.function)

    def _describe(self, *, pools_json: str, log_formats: LogFormats) -> None:
        self._output("DenylistTable", self.state.denylist.table_name)
        self._output("DecisionsTable", self.state.decisions.table_name)
        self._output("ControlTable", self.state.control.table_name)
        self._output("WindowsTable", self.state.windows.table_name)
        self._output("AlertTopic", self.alerts.topic.topic_arn)
        self._output("EventBus", self.bus.event_bus_name)
        self._output("AuthorizerFunction", self.authorizer.live.function_arn)
        self._output("PreTokenGenerationFunction", self.pre_token_generation.trigger.function.function_arn)
        self._output("UserPools", pools_json)
        self._output("SessionLifetimeSeconds", str(self.settings.session_lifetime_seconds))
        self._output("HttpApiLogFormat", log_formats.http_api)
        self._output("RestApiLogFormat", log_formats.rest_api)
        for api_id, log_group in self.ingest.access_logs.items():
            self._output(f"AccessLogGroup{api_id}", log_group.log_group_arn)
        for api_id, authorizer_id in self.authorizer.registrations.authorizer_ids.items():
            self._output(f"AuthorizerId{api_id}", authorizer_id)
        for api_id, config in self.authorizer.registrations.appsync.items():
            self._output(f"AppSyncAuthorizer{api_id}", self.to_json_string(config))

    def _describe_rules(self, shipped: Shipped) -> None:
        live = self.live_rules
        self._output("LiveRules", live.configuration_ids)
        self._output("LiveRulesStaged", live.staged.ref)
        self._output("LiveRulesAtOnce", live.at_once.ref)
        self._output("RulesPublisherPolicy", live.publishers.managed_policy_arn)
        self._output("ShippedRulesetDigest", shipped.ruleset_digest)
        self._output("PolicyDigest", shipped.policy_digest)

    def _output(self, name: str, value: str) -> None:
        CfnOutput(self, name, value=value)


def _code(bundle: Bundle) -> lambda_.Code:
    # the digest of the bundle's builder, since CDK would read 40 MB again to compute its own
    return lambda_.Code.from_asset(str(bundle.path), asset_hash=bundle.digest)


def _kinds(settings: Settings) -> Mapping[str, ApiKind]:
    http: dict[str, ApiKind] = dict.fromkeys(settings.http_api_ids, "http_api")
    # both kinds of REST API authorizer write the same access log
    rest: dict[str, ApiKind] = dict.fromkeys(settings.rest_api_ids + settings.rest_token_api_ids, "rest_api")
    return http | rest


def _authorizer_options(settings: Settings) -> dict[str, str]:
    """The authorizer's settings that differ from its defaults: docs/reference/data.md."""
    deadline_ms = PROFILES[settings.target].denylist_deadline_ms
    options = {
        "SESSIONWARDEN_COUNTRY_HEADER": settings.country_header,
        "SESSIONWARDEN_DENYLIST_DEADLINE_MS": None if deadline_ms is None else str(deadline_ms),
        "SESSIONWARDEN_HTTP_API_ANSWER": None
        if settings.http_api_answer == "simple"
        else settings.http_api_answer,
        "SESSIONWARDEN_WEBSOCKET_TOKEN_PARAMETER": settings.websocket_token_parameter,
    }
    return {name: value for name, value in options.items() if value is not None}
