"""What the template must hold whatever is wired differently later."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.detect import handler as detect
from sessionwarden.adapters.aws import clients
from sessionwarden.authorizer.request import bearer_token
from sessionwarden.errors import TokenError
from sessionwarden.tokens.jws import parse_jws
from tests.support.templates import (
    APPSYNC_API,
    HTTP_API,
    POOL,
    REPORT,
    REST_API,
    REST_TOKEN_API,
    ROOT,
    WEBSOCKET_API,
    Assembly,
    Synthesized,
)
from tests.support.tokens import token

FUNCTIONS = {
    "ingest": "Ingest",
    "detect": "DetectionDetect",
    "enforce": "EnforcementEnforce",
    "group_alerts": "GroupedAlerts",
    "authorizer": "Authorizer",
    "pre_token_generation": "PreTokenGeneration",
    "validate_rules": "RulesValidator",
}


def test_every_authorizer_answer_is_asked_for_anew(aws: Synthesized) -> None:
    ttls = {
        item.logical_id: item.properties.get("AuthorizerResultTtlInSeconds")
        for item in aws.of_type("AWS::ApiGateway::Authorizer") + aws.of_type("AWS::ApiGatewayV2::Authorizer")
    }

    # WebSocket APIs have no result cache, and API Gateway takes the property for HTTP and REST APIs only
    (websocket,) = [name for name in ttls if "WebSocketApi" in name]
    assert ttls.pop(websocket) is None
    assert [*ttls.values()] == [0, 0, 0]
    assert _appsync_config(aws)["authorizerResultTtlInSeconds"] == 0


def test_http_api_gets_payload_2_and_the_answers_that_the_function_gives(assembly: Assembly) -> None:
    simple = assembly.aws.one("AWS::ApiGatewayV2::Authorizer", "AuthorizerHttpApi").properties
    policy = assembly.varied.one("AWS::ApiGatewayV2::Authorizer", "AuthorizerHttpApi").properties

    assert simple["ApiId"] == HTTP_API
    assert simple["AuthorizerPayloadFormatVersion"] == policy["AuthorizerPayloadFormatVersion"] == "2.0"
    assert simple["EnableSimpleResponses"] is True
    assert "SESSIONWARDEN_HTTP_API_ANSWER" not in assembly.aws.environment("Authorizer")
    assert policy["EnableSimpleResponses"] is False
    assert assembly.varied.environment("Authorizer")["SESSIONWARDEN_HTTP_API_ANSWER"] == "policy"


def test_a_rest_api_gets_the_type_of_authorizer_that_was_chosen(aws: Synthesized) -> None:
    types = {
        item.properties["RestApiId"]: item.properties["Type"]
        for item in aws.of_type("AWS::ApiGateway::Authorizer")
    }

    assert types == {REST_API: "REQUEST", REST_TOKEN_API: "TOKEN"}


def test_a_rest_api_can_be_moved_from_one_type_of_authorizer_to_the_other(aws: Synthesized) -> None:
    names = [item.properties["Name"] for item in aws.of_type("AWS::ApiGateway::Authorizer")]

    # CloudFormation creates the new one before it deletes the old, and an API takes no name twice
    assert len(set(names)) == len(names) == 2


def test_a_websocket_api_asks_for_the_header_unless_the_token_may_come_in_the_query(
    assembly: Assembly,
) -> None:
    header = assembly.aws.one("AWS::ApiGatewayV2::Authorizer", "AuthorizerWebSocketApi").properties
    either = assembly.varied.one("AWS::ApiGatewayV2::Authorizer", "AuthorizerWebSocketApi").properties

    assert (header["ApiId"], header["AuthorizerType"]) == (WEBSOCKET_API, "REQUEST")
    assert header["IdentitySource"] == ["route.request.header.Authorization"]
    # API Gateway wants every source that is named, so naming both would refuse everybody
    assert "IdentitySource" not in either
    assert assembly.varied.environment("Authorizer")["SESSIONWARDEN_WEBSOCKET_TOKEN_PARAMETER"] == "token"


def test_the_header_in_which_a_cdn_sets_the_country_reaches_the_authorizer(assembly: Assembly) -> None:
    name = "SESSIONWARDEN_COUNTRY_HEADER"

    assert name not in assembly.aws.environment("Authorizer")
    assert assembly.varied.environment("Authorizer")[name] == "CloudFront-Viewer-Country"


def test_what_is_kept_from_the_function_by_a_pattern_it_would_refuse(aws: Synthesized) -> None:
    (of_rest,) = [
        item.properties["IdentityValidationExpression"]
        for item in aws.of_type("AWS::ApiGateway::Authorizer")
        if item.properties["Type"] == "TOKEN"
    ]
    assert of_rest == _appsync_config(aws)["identityValidationExpression"]
    pattern = re.compile(of_rest)

    for accepted in (token(), f"Bearer {token()}", f"bEARER   {token()}", f"  Bearer {token()}  "):
        assert parse_jws(bearer_token(accepted))
        assert pattern.search(accepted)
    for text in (
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "Basic a.b.c",
        "Bearer a.b.c, Bearer a.b.c",
        "a.b.=",
        "Bearer\ta.b.c",
    ):
        assert not pattern.search(text)
        with pytest.raises(TokenError):
            parse_jws(bearer_token(text))


def test_each_api_invokes_the_authorizer_only_as_the_authorizer_registered_with_it(aws: Synthesized) -> None:
    permissions = [
        item.properties
        for item in aws.of_type("AWS::Lambda::Permission")
        if item.properties["Principal"] in ("apigateway.amazonaws.com", "appsync.amazonaws.com")
    ]

    (live,) = aws.of_type("AWS::Lambda::Alias")
    assert all(item["FunctionName"] == {"Ref": live.logical_id} for item in permissions)
    sources = {
        item["Principal"].partition(".")[0] + _joined(item["SourceArn"]).rpartition("<AWS::AccountId>")[2]
        for item in permissions
    }
    assert {re.sub("[0-9A-F]{8}>", ">", source) for source in sources} == {
        f"apigateway:{HTTP_API}/authorizers/<AuthorizerHttpApi{HTTP_API}>",
        f"apigateway:{REST_API}/authorizers/<AuthorizerRestApi{REST_API}>",
        f"apigateway:{REST_TOKEN_API}/authorizers/<AuthorizerRestTokenApi{REST_TOKEN_API}>",
        f"apigateway:{WEBSOCKET_API}/authorizers/<AuthorizerWebSocketApi{WEBSOCKET_API}>",
        f"appsync:apis/{APPSYNC_API}",
    }


def test_apis_invoke_the_version_that_the_alias_names_and_never_the_function_itself(aws: Synthesized) -> None:
    (live,) = aws.of_type("AWS::Lambda::Alias")
    (version,) = aws.of_type("AWS::Lambda::Version")
    authorizers = aws.of_type("AWS::ApiGateway::Authorizer") + aws.of_type("AWS::ApiGatewayV2::Authorizer")

    assert live.properties["Name"] == "live"
    assert live.properties["FunctionVersion"] == {"Fn::GetAtt": [version.logical_id, "Version"]}
    for item in authorizers:
        uri = _joined(item.properties["AuthorizerUri"])
        assert uri.endswith(f":lambda:path/2015-03-31/functions/<{live.logical_id}>/invocations")
    assert _appsync_config(aws)["authorizerUri"] == f"<{live.logical_id}>"
    assert aws.template["Outputs"]["AuthorizerFunction"]["Value"] == {"Ref": live.logical_id}


def test_versions_of_the_authorizer_start_from_a_snapshot_unless_told_otherwise(assembly: Assembly) -> None:
    started = {
        item.logical_id.partition("Function")[0]: item.properties.get("SnapStart")
        for item in assembly.aws.of_type("AWS::Lambda::Function")
    }

    assert started.pop("Authorizer") == {"ApplyOn": "PublishedVersions"}
    assert set(started.values()) == {None}
    assert "SnapStart" not in assembly.varied.one("AWS::Lambda::Function", "Authorizer").properties


def test_a_snapshot_is_neither_provisioned_nor_kept_after_its_version_was_replaced(aws: Synthesized) -> None:
    (live,) = aws.of_type("AWS::Lambda::Alias")
    (version,) = aws.of_type("AWS::Lambda::Version")

    # Lambda refuses provisioned concurrency beside SnapStart, and bills every snapshot that is kept
    assert "ProvisionedConcurrencyConfig" not in live.properties | version.properties
    assert version.attributes.get("DeletionPolicy", "Delete") == "Delete"
    assert version.attributes.get("UpdateReplacePolicy", "Delete") == "Delete"


def test_a_change_of_settings_publishes_another_version(assembly: Assembly) -> None:
    versions = {
        item.one("AWS::Lambda::Version").logical_id
        for item in (assembly.aws, assembly.local, assembly.varied)
    }

    assert len(versions) == 3


def test_no_permission_to_invoke_is_without_a_source_but_the_validators(aws: Synthesized) -> None:
    sourceless = [
        item.properties
        for item in aws.of_type("AWS::Lambda::Permission")
        if "SourceArn" not in item.properties
    ]

    # AWS documents no source for a validator's call; the function judges a text and holds no rights
    assert [item["Principal"] for item in sourceless] == ["appconfig.amazonaws.com"]
    assert "RulesValidator" in sourceless[0]["FunctionName"]["Fn::GetAtt"][0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_handler_exists(aws: Synthesized, name: str) -> None:
    handler = aws.one("AWS::Lambda::Function", FUNCTIONS[name]).properties["Handler"]

    module, _, function = handler.rpartition(".")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    assert re.search(rf"^def {function}\(", source, re.MULTILINE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_told_what_the_data_contract_lists(aws: Synthesized, name: str) -> None:
    # with a default, or a choice of the operator's
    optional = {
        "SESSIONWARDEN_COUNTRY_HEADER",
        "SESSIONWARDEN_DENYLIST_DEADLINE_MS",
        "SESSIONWARDEN_HTTP_API_ANSWER",
        "SESSIONWARDEN_JWKS",
        "SESSIONWARDEN_KEYS_SERVE_SECONDS",
        "SESSIONWARDEN_NEW_KEYS_PER_MINUTE",
        "SESSIONWARDEN_POLICY",
        "SESSIONWARDEN_ROUTES",
        "SESSIONWARDEN_RULESET",
        "SESSIONWARDEN_WEBSOCKET_TOKEN_PARAMETER",
    }
    given = {key for key in aws.environment(FUNCTIONS[name]) if key.startswith("SESSIONWARDEN_")}

    assert given == _documented_environment()[name] - optional


def test_detect_answers_for_each_message_before_it_is_killed(aws: Synthesized) -> None:
    # the last call that may be started, and all that it may take
    longest = detect.DELIVERY_SECONDS + clients.CONNECT_SECONDS + clients.READ_SECONDS
    assert detect.STORE_SECONDS < detect.DELIVERY_SECONDS
    assert longest < aws.one("AWS::Lambda::Function", FUNCTIONS["detect"]).properties["Timeout"]


def test_every_function_has_its_log_group_with_a_retention(aws: Synthesized) -> None:
    retentions = [item.properties.get("RetentionInDays") for item in aws.of_type("AWS::Logs::LogGroup")]

    # API Gateway's access logs of HTTP and REST APIs; the other kinds are seen in the decision lines
    assert len(retentions) == len(FUNCTIONS) + 3
    assert all(retentions)
    for function in aws.of_type("AWS::Lambda::Function"):
        assert "Ref" in function.properties["LoggingConfig"]["LogGroup"]


def test_ingest_knows_the_kind_of_each_subscribed_log_group(aws: Synthesized) -> None:
    kinds = json.loads(aws.environment("Ingest")["SESSIONWARDEN_LOG_GROUPS"])
    names = {item.logical_id: item.properties["LogGroupName"] for item in aws.of_type("AWS::Logs::LogGroup")}
    subscribed = {
        names[item.properties["LogGroupName"]["Ref"]] for item in aws.of_type("AWS::Logs::SubscriptionFilter")
    }

    assert set(kinds) == subscribed
    assert kinds == {
        f"/sessionwarden/access/{HTTP_API}": "http_api",
        f"/sessionwarden/access/{REST_API}": "rest_api",
        f"/sessionwarden/access/{REST_TOKEN_API}": "rest_api",
        "/sessionwarden/functions/sessionwarden/authorizer": "authorizer",
    }


def test_all_access_log_lines_are_sent_but_only_decision_lines_of_the_authorizer(aws: Synthesized) -> None:
    patterns = {
        re.sub("[0-9A-F]{8}$", "", item.properties["LogGroupName"]["Ref"]): item.properties["FilterPattern"]
        for item in aws.of_type("AWS::Logs::SubscriptionFilter")
    }

    assert patterns == {
        f"IngestAccessLog{HTTP_API}": "",
        f"IngestAccessLog{REST_API}": "",
        f"IngestAccessLog{REST_TOKEN_API}": "",
        "AuthorizerLog": '"sessionwarden.decision"',
    }


def test_deployment_starts_in_observe(aws: Synthesized) -> None:
    assert aws.environment("EnforcementEnforce")["SESSIONWARDEN_MODE"] == "observe"


def test_pools_and_their_clients_reach_authorizer_and_enforcement(aws: Synthesized) -> None:
    expected = [
        {"pool_id": POOL, "client_ids": ["client1"]},
        {"pool_id": "eu-west-1_Second456", "client_ids": None},
    ]

    for function in ("Authorizer", "EnforcementEnforce", "PreTokenGeneration"):
        assert json.loads(aws.environment(function)["SESSIONWARDEN_USER_POOLS"]) == expected


def test_every_queue_is_encrypted_and_refuses_plain_http(aws: Synthesized) -> None:
    queues = aws.of_type("AWS::SQS::Queue")
    refusing = {
        item.properties["Queues"][0]["Ref"]
        for item in aws.of_type("AWS::SQS::QueuePolicy")
        if item.properties["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"
    }

    assert all(item.properties["SqsManagedSseEnabled"] for item in queues)
    assert {item.logical_id for item in queues} == refusing


def test_every_queue_with_a_consumer_has_dead_letters_after_five_tries(aws: Synthesized) -> None:
    queues = {item.logical_id: item.properties for item in aws.of_type("AWS::SQS::Queue")}
    functions = {item.logical_id: item.properties for item in aws.of_type("AWS::Lambda::Function")}
    mappings = aws.of_type("AWS::Lambda::EventSourceMapping")

    assert len(mappings) == 3
    for mapping in mappings:
        queue = queues[mapping.properties["EventSourceArn"]["Fn::GetAtt"][0]]
        timeout = functions[mapping.properties["FunctionName"]["Ref"]]["Timeout"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
        window = mapping.properties.get("MaximumBatchingWindowInSeconds", 0)
        # detect's batches are collected for a second, which the six times hold easily
        assert queue["VisibilityTimeout"] >= 6 * timeout + (window if window > 1 else 0)
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping.properties["ScalingConfig"]["MaximumConcurrency"] <= 10


def test_acts_beyond_the_limit_of_alerts_are_collected_for_minutes_and_told_together(
    aws: Synthesized,
) -> None:
    (mapping,) = [
        item.properties
        for item in aws.of_type("AWS::Lambda::EventSourceMapping")
        if "GroupedAlerts" in item.properties["FunctionName"]["Ref"]
    ]
    assert (mapping["MaximumBatchingWindowInSeconds"], mapping["BatchSize"]) == (300, 100)
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}, "each reader sends messages of its own"
    queue = mapping["EventSourceArn"]["Fn::GetAtt"][0]
    assert aws.environment("EnforcementEnforce")["SESSIONWARDEN_GROUPED_ALERTS_QUEUE_URL"] == {"Ref": queue}


def test_every_queue_without_a_consumer_has_an_alarm_on_its_first_message(aws: Synthesized) -> None:
    consumed = {
        item.properties["EventSourceArn"]["Fn::GetAtt"][0]
        for item in aws.of_type("AWS::Lambda::EventSourceMapping")
    }
    dead_letters = {item.logical_id for item in aws.of_type("AWS::SQS::Queue")} - consumed
    alarmed = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in aws.of_type("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and alarm.properties["Threshold"] == 1
        for dimension in alarm.properties["Dimensions"]
    }

    assert len(dead_letters) == 5
    assert dead_letters == alarmed


def test_every_function_has_alarms_on_throttling_and_all_but_the_authorizer_on_errors(
    aws: Synthesized,
) -> None:
    watched = {
        (alarm.properties["MetricName"], dimension["Value"]["Ref"])
        for alarm in aws.of_type("AWS::CloudWatch::Alarm")
        for dimension in alarm.properties.get("Dimensions", ())
        if dimension["Name"] == "FunctionName"
    }

    for function in aws.of_type("AWS::Lambda::Function"):
        assert ("Throttles", function.logical_id) in watched
        # a REST API's 401 is an exception: anybody could raise that alarm with a bad token
        of_authorizer = function.logical_id.startswith("Authorizer")
        assert (("Errors", function.logical_id) in watched) is not of_authorizer


def test_refusals_that_are_our_own_fault_raise_an_alarm(aws: Synthesized) -> None:
    filters = [item.properties for item in aws.of_type("AWS::Logs::MetricFilter")]
    counted, unavailable, stale_keys = filters
    metrics = {item["MetricTransformations"][0]["MetricName"] for item in filters}
    alarmed = {alarm.properties.get("MetricName") for alarm in aws.of_type("AWS::CloudWatch::Alarm")}

    assert '($.reason = "denylist_unavailable")' in counted["FilterPattern"]
    assert stale_keys["FilterPattern"] == '"JWKS not fetched" -"sessionwarden.decision"'
    assert (
        unavailable["FilterPattern"]
        == '{ ($.reason = "denylist_damaged") || ($.reason = "denylist_unavailable") }'
    )
    assert metrics <= alarmed


def test_how_many_new_keys_are_served_is_the_functions_own_choice_unless_told(assembly: Assembly) -> None:
    name = "SESSIONWARDEN_NEW_KEYS_PER_MINUTE"
    assert name not in assembly.aws.environment("DetectionDetect")
    assert assembly.varied.environment("DetectionDetect")[name] == "9000"


def test_detect_alone_has_the_memory_that_was_asked_for(assembly: Assembly) -> None:
    asked, usual = (
        {
            function.logical_id: function.properties["MemorySize"]
            for function in stack.of_type("AWS::Lambda::Function")
            if "MemorySize" in function.properties
        }
        for stack in (assembly.varied, assembly.aws)
    )
    differing = {name for name in asked.keys() & usual.keys() if asked[name] != usual[name]}
    (detect,) = differing
    assert detect.startswith("DetectionDetect")
    assert (asked[detect], usual[detect]) == (1_024, 512)


COUNTED = {
    "ingest": {"ClockDiffers", "Quarantined"},
    "detect": {
        "ClockDiffers",
        "EventsFuture",
        "EventsLate",
        "KeysDropped",
        "RulesFailed",
        "RulesetFallback",
        "RulesetRefused",
        "RulesetUnavailable",
        "WindowsFull",
    },
    "enforce": {"ActionsFailed", "ClockDiffers"},
    "pre_token_generation": {"DenylistUnavailable"},
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_must_not_happen_even_once_raises_an_alarm(aws: Synthesized, name: str) -> None:
    service = [{"Name": "service", "Value": f"sessionwarden-{name}"}]
    alarms = [
        item.properties
        for item in aws.of_type("AWS::CloudWatch::Alarm")
        if item.properties.get("Namespace") == "Sessionwarden"
        and item.properties.get("Dimensions") == service
    ]
    assert {alarm["MetricName"] for alarm in alarms} == COUNTED[name]
    for alarm in alarms:
        rings_at = (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"])
        assert rings_at == ("Sum", 1, "GreaterThanOrEqualToThreshold")
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (
            60,
            1,
            "notBreaching",
        )


@pytest.mark.parametrize("name", COUNTED)
def test_every_metric_that_has_an_alarm_is_one_that_the_function_writes(name: str) -> None:
    sources = [*(ROOT / "functions" / name).glob("*.py"), ROOT / "functions" / "service_clock.py"]
    written = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert not {metric for metric in COUNTED[name] if not re.search(rf"\b{metric}\b", written)}


def silence_alarms(synthesized: Synthesized) -> dict[str, dict[str, Any]]:
    """The alarms on silent logs, by what is named in them."""
    return {
        re.sub("^AlarmsLogSilent|[0-9A-F]{8}$", "", item.logical_id): item.properties
        for item in synthesized.of_type("AWS::CloudWatch::Alarm")
        if item.logical_id.startswith("AlarmsLogSilent")
    }


def inputs(alarm: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Namespace, name and dimensions of the metrics that an alarm's expression is made of."""
    return {
        query["Id"]: (
            query["MetricStat"]["Metric"]["Namespace"],
            query["MetricStat"]["Metric"]["MetricName"],
            {one["Name"]: one["Value"] for one in query["MetricStat"]["Metric"]["Dimensions"]},
        )
        for query in alarm["Metrics"]
        if "MetricStat" in query
    }


def test_each_log_that_is_watched_has_an_alarm_on_its_silence(aws: Synthesized) -> None:
    alarms = {name: inputs(alarm) for name, alarm in silence_alarms(aws).items()}
    service = {"service": "sessionwarden-ingest"}
    function = aws.one("AWS::Lambda::Function", "Authorizer").logical_id

    def lines(log_group: str) -> tuple[str, str, dict[str, Any]]:
        return ("Sessionwarden", "Lines", service | {"log_group": log_group})

    assert alarms.pop("Authorizer") == {
        "requests": ("AWS/Lambda", "Invocations", {"FunctionName": {"Ref": function}}),
        "lines": lines("/sessionwarden/functions/sessionwarden/authorizer"),
    }
    assert alarms.pop(HTTP_API) == {
        "requests": ("AWS/ApiGateway", "Count", {"ApiId": HTTP_API}),
        "lines": lines(f"/sessionwarden/access/{HTTP_API}"),
    }
    assert alarms == {
        api_id: {
            "requests": ("Sessionwarden", "Decisions", service | {"api_id": api_id}),
            "lines": lines(f"/sessionwarden/access/{api_id}"),
        }
        for api_id in (REST_API, REST_TOKEN_API)
    }


@pytest.mark.parametrize(
    ("requests", "lines", "rings"),
    [
        ([5, 5], [None, None], True),
        ([1, 1], [0, None], True),
        ([5, 5], [None, 1], False),
        ([1, None], [None, 1], False),
        ([None, None], [None, None], False),
        ([None, 5], [None, None], False),
        ([9, 9], [3, None], False),
    ],
    ids=[
        "silent",
        "zero",
        "late",
        "its-line-came-after-the-end",
        "no-requests",
        "just-begun",
        "just-stopped",
    ],
)
def test_a_log_is_silent_if_there_were_requests_and_no_line_in_two_periods(
    aws: Synthesized, requests: list[int | None], lines: list[int | None], rings: bool
) -> None:
    for alarm in silence_alarms(aws).values():
        assert (alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm", 2)) == (2, 2)
        values = [
            _value_of(alarm, requests=one, lines=other) for one, other in zip(requests, lines, strict=True)
        ]
        # missing data is `notBreaching`
        assert alarm["TreatMissingData"] == "notBreaching"
        assert all(value is not None and value >= alarm["Threshold"] for value in values) is rings


def test_how_long_a_log_may_be_silent_is_the_operators_choice(assembly: Assembly) -> None:
    for synthesized, seconds in ((assembly.aws, 300), (assembly.varied, 480)):
        for alarm in silence_alarms(synthesized).values():
            periods = [query["MetricStat"]["Period"] for query in alarm["Metrics"] if "MetricStat" in query]
            assert periods == [seconds, seconds], "half of 10 minutes, and half of 15"
            statistics = [query["MetricStat"]["Stat"] for query in alarm["Metrics"] if "MetricStat" in query]
            assert statistics == ["Sum", "Sum"]


def test_every_alarm_reaches_the_alert_topic_which_lets_alarms_in(aws: Synthesized) -> None:
    topic = {"Ref": aws.one("AWS::SNS::Topic").logical_id}
    statements = aws.one("AWS::SNS::TopicPolicy").properties["PolicyDocument"]["Statement"]

    assert all(item.properties["AlarmActions"] == [topic] for item in aws.of_type("AWS::CloudWatch::Alarm"))
    assert [item["Principal"] for item in statements if item["Effect"] == "Allow"] == [
        {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert [item["Condition"] for item in statements if item["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_batches_that_ingest_cannot_handle_are_kept(aws: Synthesized) -> None:
    properties = aws.one("AWS::Lambda::EventInvokeConfig").properties

    assert "Ingest" in properties["FunctionName"]["Ref"]
    assert "OnFailure" in properties["DestinationConfig"]


def test_rule_takes_only_packs_of_ingest_and_keeps_what_it_cannot_deliver(aws: Synthesized) -> None:
    rule = aws.one("AWS::Events::Rule").properties

    assert rule["EventPattern"]["source"] == ["sessionwarden.ingest"]
    assert rule["EventPattern"]["detail-type"] == ["Events"]
    assert rule["EventPattern"]["account"] == [{"Ref": "AWS::AccountId"}]
    assert rule["EventPattern"]["region"] == [{"Ref": "AWS::Region"}]
    (target,) = rule["Targets"]
    assert "DeadLetterConfig" in target


def test_tables_are_on_demand_recoverable_and_forget_expired_items(aws: Synthesized) -> None:
    tables = aws.of_type("AWS::DynamoDB::Table")

    assert len(tables) == 4
    for table in tables:
        assert table.properties["BillingMode"] == "PAY_PER_REQUEST"
        assert table.properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table.properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", ["Denylist", "Decisions", "Control"])
def test_what_refuses_or_explains_outlives_the_stack(aws: Synthesized, name: str) -> None:
    table = aws.one("AWS::DynamoDB::Table", f"State{name}")

    assert table.attributes["DeletionPolicy"] == "Retain"
    assert table.properties["DeletionProtectionEnabled"] is True


def test_table_keys_are_those_of_the_data_contract(aws: Synthesized) -> None:
    keys = {
        item.logical_id.removeprefix("State")[:-8]: [
            part["AttributeName"] for part in item.properties["KeySchema"]
        ]
        for item in aws.of_type("AWS::DynamoDB::Table")
    }
    (index,) = aws.one("AWS::DynamoDB::Table", "StateDecisions").properties["GlobalSecondaryIndexes"]

    assert keys == {
        "Windows": ["key", "slot"],
        "Denylist": ["principal", "decision_id"],
        "Decisions": ["decision_id"],
        "Control": ["control"],
    }
    assert index["IndexName"] == "by_day"
    assert [part["AttributeName"] for part in index["KeySchema"]] == ["day", "created_at"]


def test_authorizer_has_concurrency_of_its_own(aws: Synthesized) -> None:
    assert aws.one("AWS::Lambda::Function", "Authorizer").properties["ReservedConcurrentExecutions"] == 100


def test_functions_run_on_the_platform_that_the_bundles_are_for(aws: Synthesized) -> None:
    from sessionwarden.deploy.bundles import AWS_PLATFORM, AWS_PYTHON

    for function in aws.of_type("AWS::Lambda::Function"):
        assert function.properties["Runtime"] == f"python{AWS_PYTHON}"
        assert function.properties["Architectures"] == ["arm64"]
    assert AWS_PLATFORM.startswith("aarch64-")


def test_outputs_are_those_of_the_data_contract(aws: Synthesized) -> None:
    text = (ROOT / "docs/reference/data.md").read_text(encoding="utf-8")
    section = text.partition("## The stack's outputs")[2]
    documented = set(re.findall(r"`([A-Z]\w+(?:<ApiId>)?)`", section))
    logged = (HTTP_API, REST_API, REST_TOKEN_API)
    of_api = {
        "AccessLogGroup<ApiId>": logged,
        "AuthorizerId<ApiId>": (*logged, WEBSOCKET_API),
        "AppSyncAuthorizer<ApiId>": (APPSYNC_API,),
    }
    assert set(of_api) <= documented
    expected = documented - set(of_api) | {
        name.replace("<ApiId>", api_id) for name, api_ids in of_api.items() for api_id in api_ids
    }

    assert set(aws.template["Outputs"]) == expected


def test_template_names_no_account_and_no_region(aws: Synthesized) -> None:
    text = json.dumps(aws.template)

    assert not re.search(r"arn:aws:", text)
    assert not re.search(r"\b\d{12}\b", text)


def test_without_apis_and_pools_there_is_nothing_to_invoke_and_nobody_to_sign_out(assembly: Assembly) -> None:
    empty = assembly.empty

    assert not empty.of_type("AWS::ApiGateway::Authorizer") + empty.of_type("AWS::ApiGatewayV2::Authorizer")
    assert not empty.of_type("AWS::SNS::Subscription")
    assert "cognito-idp" not in json.dumps(empty.template["Resources"])
    assert {item.properties["Principal"] for item in empty.of_type("AWS::Lambda::Permission")} == {
        "appconfig.amazonaws.com",
        "logs.amazonaws.com",
    }


def test_cdk_nag_finds_nothing_that_is_not_acknowledged_with_a_reason(assembly: Assembly) -> None:
    (report,) = assembly.report["pluginReports"]

    assert (report["pluginName"], report["conclusion"], report["violations"]) == (
        "AwsSolutions",
        "success",
        [],
    )
    acknowledged = {item["ruleName"].partition("[")[0] for item in report["suppressedViolations"]}
    assert acknowledged == {"AwsSolutions-L1", "AwsSolutions-SQS3", "AwsSolutions-IAM5"}
    for item in report["suppressedViolations"]:
        # on the resource itself, never on a stack
        assert item["acknowledgedAt"].count("/") >= 2
        assert item["reason"]


def test_only_templates_for_aws_are_judged(assembly: Assembly) -> None:
    assert assembly.aws.file.with_name(REPORT).exists()
    assert not assembly.local.file.with_name(REPORT).exists()


def test_cfn_lint_finds_nothing(aws: Synthesized) -> None:
    from cfnlint.api import lint_file

    assert [str(match) for match in lint_file(aws.file)] == []


def _documented_environment() -> dict[str, set[str]]:
    text = (ROOT / "docs/reference/data.md").read_text(encoding="utf-8")
    section = text.partition("## Environment of the functions")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`SESSIONWARDEN.*?) \| (.*?) \|", section, re.MULTILINE)
    assert len(rows) > 8
    return {
        name: {
            variable
            for variables, readers in rows
            if name in readers.split(", ")
            for variable in re.findall(r"SESSIONWARDEN_\w+", variables)
        }
        for name in FUNCTIONS
    }


def _joined(value: Any) -> str:
    """A value of `Fn::Join`, its references in angle brackets."""
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in value["Fn::Join"][1])


def _appsync_config(synthesized: Synthesized) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(
        _joined(synthesized.template["Outputs"][f"AppSyncAuthorizer{APPSYNC_API}"]["Value"])
    )
    return config


def _value_of(alarm: dict[str, Any], **metrics: int | None) -> int | None:
    """What CloudWatch makes of the alarm's expression in one period; `None` is a period without data."""
    (expression,) = [query["Expression"] for query in alarm["Metrics"] if "Expression" in query]
    functions = {
        "IF": lambda condition, then, other: then if condition else other,
        "FILL": lambda value, filling: filling if value is None else value,
    }
    try:
        value: int = eval(expression.replace(" AND ", " and "), functions | metrics)
    except TypeError:
        # an operation on what is missing has no result
        return None
    return value
