"""Rules published by the command, through AppConfig, to the process that detects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import msgspec
import pytest

from functions.detect.live_rules import LiveRules
from sessionwarden.adapters.aws.appconfig import AppConfigRules, ConfigurationIds
from sessionwarden.adapters.aws.appconfig_publishing import AppConfigPublishing
from sessionwarden.adapters.memory.windows import MemoryWindowStore
from sessionwarden.detection.engine import Engine
from sessionwarden.errors import PublishingError, PublishingRefusedError
from sessionwarden.local.emulator.emulator import Emulator
from sessionwarden.model.event import Event
from sessionwarden.operations.deployment import Target
from sessionwarden.policy.compiled import policy_digest
from sessionwarden.ruleset.compiler.compile import compile_policy, compile_rules, dump_ruleset
from sessionwarden.sources.access_log.line import format_access_line
from tests.support.command_line import run
from tests.support.published_sets import FORMAT_1_DIGEST, PUBLISHED_IN_FORMAT_1

RULE = """\
title: Many Requests of One User
id: {id}
name: requests
status: test
logsource:
  category: api_access
detection:
  selection:
    status: 200
  condition: selection
---
title: {title}
id: {correlation}
status: test
level: high
correlation:
  type: event_count
  rules: [requests]
  group-by: [user]
  timespan: 1m
  condition:
    gte: {threshold}
response:
  scope: user
  mode: {mode}
  actions: [deny, alert]
"""
CASES = """\
rule: {correlation}
defaults: {{source: api_access, status: 200, user: alice}}
cases:
  - name: four requests
    kind: matching
    events: [{{repeat: 4, every: 1s}}]
    expect: {{exactly: [{{user: alice}}]}}
"""
CORRELATION = "6f1c1f2e-0000-4000-8000-000000000002"
Command = Callable[..., tuple[int, str, str]]


class Deployed:
    """A stack as far as publishing looks at it: its outputs, and what they name."""

    def __init__(self, emulator: Emulator) -> None:
        self.appconfig = emulator.client("appconfig")
        self.data = emulator.client("appconfigdata")
        application = self.appconfig.create_application(Name=f"sw-{uuid4().hex[:8]}")["Id"]
        environment = self.appconfig.create_environment(ApplicationId=application, Name="live")["Id"]
        profile = self.appconfig.create_configuration_profile(
            ApplicationId=application, Name="ruleset", LocationUri="hosted"
        )["Id"]
        self.place = ConfigurationIds(application, environment, profile)
        self.slow, self.fast = (self._strategy(minutes) for minutes in (60, 0))
        self.publishing = AppConfigPublishing(self.appconfig, self.place)
        self.outputs = {
            "LiveRules": "/".join(self.place),
            "LiveRulesStaged": self.fast,
            "LiveRulesAtOnce": self.fast,
            "ShippedRulesetDigest": "5" * 64,
            "PolicyDigest": "0" * 64,
        }
        self.now_ms = 0

    def _strategy(self, minutes: int) -> str:
        made = self.appconfig.create_deployment_strategy(
            Name=f"s-{uuid4().hex[:8]}",
            DeploymentDurationInMinutes=minutes,
            FinalBakeTimeInMinutes=0,
            GrowthFactor=1,
            ReplicateTo="NONE",
        )
        return str(made["Id"])

    def detect(self) -> LiveRules:
        """What `detect` runs, with a clock of the test's own; each `later` lets it poll again."""
        reader = AppConfigRules(self.data, self.place, clock=lambda: self.now_ms)
        return LiveRules(
            published=reader,
            shipped=lambda: dump_ruleset(compile_rules([Path("rules")])),
            build=lambda ruleset: Engine(ruleset, MemoryWindowStore()),
        )

    def later(self) -> None:
        self.now_ms += 60_000

    def deploy(self, content: bytes) -> None:
        """By a person who does not use our command."""
        version = self.appconfig.create_hosted_configuration_version(
            ApplicationId=self.place.application,
            ConfigurationProfileId=self.place.profile,
            Content=content,
            ContentType="application/json",
        )["VersionNumber"]
        self.publishing.start(version, strategy=self.fast, after=0, description="by hand")


class Rules:
    """A folder with one rule and its cases, and a log that it can be replayed over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "rules"
        self.folder.mkdir()
        self.log = folder / "access.log"
        self.log.write_text("".join(_line(number) for number in range(200)))
        self.write()

    def write(self, *, threshold: int = 4, mode: str = "enforce", title: str = "Hammering") -> str:
        """The digest of the rules as they are now."""
        names = {"id": "6f1c1f2e-0000-4000-8000-000000000001", "correlation": CORRELATION}
        text = RULE.format(**names, threshold=threshold, mode=mode, title=title)
        (self.folder / "hammering.yml").write_text(text)
        (self.folder / "hammering.cases.yml").write_text(CASES.format(**names))
        return compile_rules([self.folder]).digest

    def drop_cases(self) -> None:
        (self.folder / "hammering.cases.yml").unlink()


def _line(number: int) -> str:
    """Of 100 users with one request each, and one with a hundred."""
    event = Event(
        id=f"r{number}",
        time=1_760_000_000_000 + number * 100,
        source="api_access",
        status=200,
        user=f"u{number}" if number < 100 else "hammer",
        pool="eu-west-1_AbCdEf123",
        decision="allow",
    )
    return f"{format_access_line(event)}\n"


@pytest.fixture
def deployed(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    deployed = Deployed(emulator)
    monkeypatch.setattr(Target, "outputs", lambda self: deployed.outputs)
    monkeypatch.setattr(Target, "client", lambda self, service: emulator.client(service))
    return deployed


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    return Rules(tmp_path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def sessionwarden(*arguments: str) -> tuple[int, str, str]:
        status = run(["rules", *arguments], monkeypatch)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return sessionwarden


def publish(command: Command, rules: Rules, *more: str) -> tuple[int, str, str]:
    return command("publish", str(rules.folder), "--log", str(rules.log), "--yes", *more)


def test_published_rules_are_what_detect_runs_next(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    detect = deployed.detect()
    assert detect.read().origin == "shipped"
    digest = rules.write()

    status, out, err = publish(command, rules, "--wait", "--message", "faster")

    assert (status, err) == (0, "")
    assert "would be touched     1 (0.99%)" in out
    assert detect.read().origin == "shipped"
    deployed.later()
    after = detect.read()
    assert (after.origin, after.digest, after.changed) == ("published", digest, True)
    (_, text) = deployed.publishing.deployment(1)
    assert text.startswith("published by arn:")
    assert text.endswith(": faster")


def test_a_bad_set_that_got_there_anyway_is_refused_and_the_last_good_one_runs_on(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    publish(command, rules)
    detect = deployed.detect()
    good = detect.read()
    deployed.deploy(b'{"format":1}')
    deployed.later()

    after = detect.read()

    assert (after.engine, after.digest) == (good.engine, good.digest)
    assert "not a compiled rule set" in str(after.refused)


def test_rules_that_touch_too_many_users_are_not_published_without_an_option_that_says_so(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    rules.write(threshold=1, mode="enforce\n  acknowledge: [matches_everybody]")
    rules.drop_cases()

    status, _, err = publish(command, rules)
    assert (status, deployed.publishing.history().deployments) == (1, ())
    assert "It would have touched 101 of 101 users, more than 1.00%" in err

    assert publish(command, rules, "--max-share", "1")[0] == 0


def test_rules_that_only_observe_touch_no_user(deployed: Deployed, rules: Rules, command: Command) -> None:
    rules.write(threshold=1, mode="observe")
    rules.drop_cases()

    status, out, _ = publish(command, rules, "--output", "json")

    plan, result = map(json.loads, out.splitlines())
    assert (status, result["published"]) == (0, True)
    assert (plan["impact"]["users_touched"], plan["impact"]["users_observed"]) == (0, 101)


def test_a_case_that_fails_stops_it(deployed: Deployed, rules: Rules, command: Command) -> None:
    rules.write(threshold=5)

    status, _, err = publish(command, rules)

    assert (status, deployed.publishing.history().deployments) == (1, ())
    assert "four requests" in err


def test_a_log_that_names_no_user_proves_nothing(deployed: Deployed, rules: Rules, command: Command) -> None:
    rules.log.write_text("127.0.0.1 - - GET /\n" * 10)

    status, _, err = publish(command, rules)

    assert (status, deployed.publishing.history().deployments) == (1, ())
    assert "name no user" in err


def test_without_consent_nothing_is_published(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.confirm", _say_no)

    status, _, _ = command("publish", str(rules.folder), "--log", str(rules.log))

    assert (status, deployed.publishing.versions()) == (1, {})


def _say_no(*_: Any, **__: Any) -> bool:
    raise click.Abort


def test_the_same_rules_again_publish_nothing(deployed: Deployed, rules: Rules, command: Command) -> None:
    publish(command, rules)

    status, out, _ = publish(command, rules)

    assert status == 0
    assert "It is live already." in out
    assert len(deployed.publishing.history().deployments) == 1


def test_a_set_is_stored_once_however_often_it_is_published(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    first = rules.write()
    publish(command, rules)
    second = rules.write(title="Renamed")
    publish(command, rules)
    rules.write()
    publish(command, rules)

    assert deployed.publishing.versions() == {2: second, 1: first}
    assert [one.version for one in deployed.publishing.history().deployments] == [1, 2, 1]


def test_a_version_that_lies_about_its_digest_is_not_used(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    digest = rules.write()
    deployed.appconfig.create_hosted_configuration_version(
        ApplicationId=deployed.place.application,
        ConfigurationProfileId=deployed.place.profile,
        Content=b"{}",
        ContentType="application/json",
        VersionLabel=digest,
    )

    assert publish(command, rules)[0] == 0

    detect = deployed.detect()
    assert (detect.read().digest, detect.read().refused) == (digest, None)


def test_two_publishers_at_once_are_one_too_many(deployed: Deployed, rules: Rules, command: Command) -> None:
    deployed.outputs["LiveRulesStaged"] = deployed.slow
    assert publish(command, rules)[0] == 0
    rules.write(title="Renamed")

    status, _, err = publish(command, rules)

    assert status == 3
    assert "deployment 1 is under way" in err


def test_what_was_published_since_the_difference_was_shown_is_not_overwritten(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(command, rules)
    rules.write(title="Renamed")
    other = dump_ruleset(compile_rules([Path("rules")]))
    # between the question and the answer
    monkeypatch.setattr("click.confirm", lambda *_, **__: deployed.deploy(other))

    status, _, err = command("publish", str(rules.folder), "--log", str(rules.log))

    assert status == 3
    assert "another person is publishing" in err
    assert deployed.publishing.history().latest_number == 2


def test_two_that_start_at_once_get_one_deployment(deployed: Deployed) -> None:
    data = dump_ruleset(compile_rules([Path("rules")]))
    version = deployed.publishing.add(data, "d" * 64)
    deployed.publishing.start(version, strategy=deployed.fast, after=0, description="")

    deployed.publishing.start(version, strategy=deployed.slow, after=1, description="")
    with pytest.raises(PublishingError, match="another person"):
        deployed.publishing.start(version, strategy=deployed.slow, after=2, description="")


def test_the_difference_names_what_changed(deployed: Deployed, rules: Rules, command: Command) -> None:
    publish(command, rules)
    rules.write(mode="observe", title="Renamed")

    status, out, _ = command("diff", str(rules.folder), "--strict")

    assert status == 1
    assert f"~ {CORRELATION}  Renamed" in out
    assert 'response.mode: "enforce" → "observe"' in out
    assert "policy" not in out


def test_rules_on_disk_compare_with_a_compiled_set(
    deployed: Deployed, rules: Rules, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "set.json"
    file.write_bytes(dump_ruleset(compile_rules([rules.folder])))

    status, out, _ = command("diff", str(rules.folder), "--against", str(file), "--output", "json")

    facts = json.loads(out)
    assert (status, facts["same"], facts["before"]) == (0, True, facts["after"])


def test_rules_are_compared_with_what_was_shipped_while_nothing_is_published(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    _, out, _ = command("diff", str(rules.folder), "--output", "json")

    assert json.loads(out) == {"before": None, "shipped": "5" * 64, "after": rules.write(), "same": False}


def policy(rules: Rules, text: str) -> Path:
    file = rules.folder / "policy.yml"
    file.write_text(text)
    return file


def test_a_policy_that_differs_from_the_deployed_one_is_said_by_status_alone(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    file = policy(rules, "protected: {users: [root]}")
    digest = policy_digest(compile_policy(file))

    status, out, _ = command("status", "--policy", str(file))
    assert status == 0
    assert f"policy   {'0' * 12}, but {file} compiles to {digest[:12]}: who is protected" in out
    assert command("status", "--policy", str(file), "--strict")[0] == 1

    for told in (publish(command, rules)[1], command("diff", str(rules.folder))[1]):
        assert "policy" not in told
        assert "protected" not in told


def test_a_policy_that_is_deployed_is_recognized(deployed: Deployed, rules: Rules, command: Command) -> None:
    file = policy(rules, "limits: {alerts_per_hour: 5}")
    digest = deployed.outputs["PolicyDigest"] = policy_digest(compile_policy(file))

    status, out, _ = command("status", "--policy", str(file), "--strict", "--output", "json")

    assert status == 0
    assert json.loads(out)["policy"] == {
        "deployed": digest,
        "file": str(file),
        "compiled": digest,
        "same": True,
    }


def test_the_policy_file_is_that_of_the_checkout_and_without_one_nothing_is_called_the_same(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rules.folder.parent)
    status, out, _ = command("status", "--strict")
    assert (status, "policy   000000000000 (not compared" in out) == (1, True)

    policy(rules, "{}")
    assert "but rules/policy.yml compiles to" in command("status")[1]


def test_a_policy_file_with_a_mistake_is_refused_with_its_place(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    file = policy(rules, "protectd: {users: [root]}")
    status, _, err = command("status", "--policy", str(file))
    assert (status, f"{file}:1:1" in err) == (2, True)


def test_a_set_of_format_1_stays_in_use_until_rules_are_published_and_can_be_rolled_back_to(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    version = deployed.publishing.add(PUBLISHED_IN_FORMAT_1, FORMAT_1_DIGEST)
    deployed.publishing.start(version, strategy=deployed.fast, after=0, description="before the upgrade")
    detect = deployed.detect()
    now = detect.read()
    assert (now.origin, now.digest, now.refused) == ("published", FORMAT_1_DIGEST, None)
    assert "acted until now" in command("diff", str(rules.folder))[1]

    digest = rules.write()
    assert publish(command, rules)[0] == 0
    deployed.later()
    assert detect.read().digest == digest

    status, out, _ = command("rollback", "--to", FORMAT_1_DIGEST[:12], "--output", "json")
    assert (status, json.loads(out)["live"]["digest"]) == (0, FORMAT_1_DIGEST)
    deployed.later()
    now = detect.read()
    assert (now.origin, now.digest, now.refused) == ("published", FORMAT_1_DIGEST, None)
    # the same bytes are one version, whatever their format
    assert deployed.publishing.add(PUBLISHED_IN_FORMAT_1, FORMAT_1_DIGEST) == version


def test_rollback_brings_the_one_before_back_and_detect_follows(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    first = rules.write()
    publish(command, rules)
    detect = deployed.detect()
    rules.write(title="Renamed")
    publish(command, rules)
    detect.read()

    status, out, _ = command("rollback", "--output", "json")

    assert (status, json.loads(out)["live"]["digest"]) == (0, first)
    deployed.later()
    assert detect.read().digest == first


def test_rollback_stops_what_is_under_way(deployed: Deployed, rules: Rules, command: Command) -> None:
    first = rules.write()
    publish(command, rules)
    deployed.outputs["LiveRulesStaged"] = deployed.slow
    rules.write(title="Renamed")
    publish(command, rules)

    status, out, _ = command("rollback")

    assert status == 0
    assert first[:12] in out
    assert deployed.publishing.history().running is None
    assert deployed.publishing.history().deployments[0].state == "ROLLED_BACK"


def test_rollback_to_a_digest_deploys_that_set_at_once(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    digests = []
    for title in ("One", "Two", "Three"):
        digests.append(rules.write(title=title))
        publish(command, rules)

    assert command("rollback", "--to", digests[0][:12])[0] == 0

    live = deployed.publishing.history().live
    assert live is not None
    assert live.digest == digests[0]
    assert command("rollback", "--to", "ffffff")[0] == 1


def test_rollback_of_the_first_set_is_refused_with_what_to_do(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    publish(command, rules)

    status, _, err = command("rollback")

    assert status == 1
    assert "enforcement stop" in err


def test_what_appconfig_reverts_no_longer_is_deployed_again(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rules.write()
    publish(command, rules)
    rules.write(title="Renamed")
    publish(command, rules)
    monkeypatch.setattr(AppConfigPublishing, "take_back", _too_late)

    assert command("rollback")[0] == 0

    live = deployed.publishing.history().live
    assert live is not None
    assert (live.number, live.digest) == (3, first)


def _too_late(self: AppConfigPublishing, number: int) -> Any:
    raise PublishingRefusedError(f"Deployment {number} completed more than 72 hours ago")


def test_status_says_what_is_live_and_who_published_it(
    deployed: Deployed, rules: Rules, command: Command
) -> None:
    digest = rules.write()
    assert json.loads(command("status", "--output", "json")[1])["live"] is None
    publish(command, rules, "--message", "first\x1b[2J")

    status, out, _ = command("status")
    facts = json.loads(command("status", "--output", "json")[1])

    assert status == 0
    assert f"live     {digest[:12]} (version 1, since 20" in out
    assert "published by arn:" in out
    assert "\x1b" not in out
    assert (facts["live"]["digest"], facts["running"]) == (digest, None)
    assert len(facts["history"]) == 1


def test_waiting_ends_with_status_1_when_it_was_taken_back(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.outputs["LiveRulesStaged"] = deployed.slow
    # an alarm fires while the command sleeps
    monkeypatch.setattr("time.sleep", lambda _: deployed.publishing.take_back(1))

    status, _, err = publish(command, rules, "--wait")

    assert status == 1
    assert "was taken back (ROLLED_BACK)" in err


def test_a_stack_from_before_publishing_must_be_deployed_anew(deployed: Deployed, command: Command) -> None:
    del deployed.outputs["LiveRules"]

    status, _, err = command("status")

    assert status == 3
    assert "deploy it anew" in err


def test_a_set_that_is_too_large_is_refused_by_its_size(
    deployed: Deployed, rules: Rules, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessionwarden.operations.publishing.MAX_BYTES", 100)

    status, _, err = publish(command, rules)

    assert status == 1
    assert "AppConfig takes 100" in err


def test_a_published_set_keeps_its_bytes(deployed: Deployed, rules: Rules, command: Command) -> None:
    publish(command, rules)

    kept = deployed.publishing.ruleset(1)

    assert msgspec.json.encode(kept) == msgspec.json.encode(compile_rules([rules.folder]))
