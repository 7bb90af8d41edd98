"""Puts rule sets live, and takes them back, through AppConfig's control plane.

Each set is stored once, as a hosted version that is labelled with the set's digest, and deployed from there.
Invariants: a version's content is checked against its label before it is used again; nothing is started
unless the newest deployment is the one that the caller saw. AppConfig compares that and runs one deployment
at a time, so two people can publish at once without one overwriting the other unseen.
https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_StartDeployment.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.adapters.aws.appconfig import ConfigurationIds
from sessionwarden.errors import PublishingError, PublishingRefusedError, RulesetError
from sessionwarden.ruleset.compiled import CompiledRuleset
from sessionwarden.ruleset.load import load_ruleset

MAX_BYTES = 1_000_000
"""Below AppConfig's quota for hosted configurations (1 MB, and 2 MB in newer accounts)."""

MAX_DESCRIPTION = 1_024
RUNNING = frozenset({"VALIDATING", "DEPLOYING", "BAKING", "ROLLING_BACK"})
DONE = "COMPLETE"


class Deployment(NamedTuple):
    """One deployment. `digest` is the label of its version, empty if it was made without this tool."""

    number: int
    version: int
    digest: str
    state: str
    percent: float
    started_at: datetime | None

    @property
    def running(self) -> bool:
        """Whether it can still be stopped, or still goes back."""
        return self.state in RUNNING


class History(NamedTuple):
    """All deployments, newest first."""

    deployments: tuple[Deployment, ...]

    @property
    def latest_number(self) -> int:
        """0 before the first one."""
        return self.deployments[0].number if self.deployments else 0

    @property
    def running(self) -> Deployment | None:
        """The deployment that is under way."""
        return next((one for one in self.deployments if one.running), None)

    @property
    def live(self) -> Deployment | None:
        """The newest that was completed and not taken back."""
        return next((one for one in self.deployments if one.state == DONE), None)

    @property
    def previous(self) -> Deployment | None:
        """The one that was live before that."""
        completed = [one for one in self.deployments if one.state == DONE]
        return completed[1] if len(completed) > 1 else None


class AppConfigPublishing:
    """Versions and deployments of one profile. Raises `PublishingError`."""

    def __init__(self, client: Any, place: ConfigurationIds) -> None:
        self._client = client
        self._of_environment = {"ApplicationId": place.application, "EnvironmentId": place.environment}
        self._of_profile = {"ApplicationId": place.application, "ConfigurationProfileId": place.profile}

    def history(self) -> History:
        """What was deployed, newest first."""
        with _translated():
            pages = self._client.get_paginator("list_deployments").paginate(**self._of_environment)
            found = [_deployment(item) for page in pages for item in page["Items"]]
        return History(tuple(sorted(found, reverse=True)))

    def deployment(self, number: int) -> tuple[Deployment, str]:
        """One deployment as it is now, and what was said when it was started."""
        with _translated():
            item = self._client.get_deployment(**self._of_environment, DeploymentNumber=number)
        return _deployment(item), item.get("Description", "")

    def ruleset(self, version: int) -> CompiledRuleset:
        """The rule set of a version. Raises `RulesetError` if it holds none."""
        with _translated():
            answer = self._client.get_hosted_configuration_version(**self._of_profile, VersionNumber=version)
            data = answer["Content"].read()
        return load_ruleset(data)

    def versions(self) -> dict[int, str]:
        """The digests by version number, as labelled, newest first."""
        paginator = "list_hosted_configuration_versions"
        with _translated():
            pages = self._client.get_paginator(paginator).paginate(**self._of_profile)
            found = {
                item["VersionNumber"]: item.get("VersionLabel", "")
                for page in pages
                for item in page["Items"]
            }
        return dict(sorted(found.items(), reverse=True))

    def add(self, data: bytes, digest: str) -> int:
        """The number of the version that holds this set, which is made unless there is one."""
        known = self.versions()
        for version, label in known.items():
            if label == digest and self._holds(version, digest):
                return version
        with _translated():
            made = self._client.create_hosted_configuration_version(
                **self._of_profile,
                Content=data,
                ContentType="application/json",
                VersionLabel=digest,
                # another person who made a version meanwhile is about to publish too
                **({"LatestVersionNumber": max(known)} if known else {}),
            )
        return int(made["VersionNumber"])

    def _holds(self, version: int, digest: str) -> bool:
        try:
            return self.ruleset(version).digest == digest
        except RulesetError:
            return False

    def start(self, version: int, *, strategy: str, after: int, description: str) -> Deployment:
        """Deploy a version, if the newest deployment still is number `after` (0: there is none)."""
        with _translated():
            item = self._client.start_deployment(
                **self._of_environment,
                ConfigurationProfileId=self._of_profile["ConfigurationProfileId"],
                ConfigurationVersion=str(version),
                DeploymentStrategyId=strategy,
                Description=_ascii(description)[:MAX_DESCRIPTION],
                **({"LatestDeploymentNumber": after} if after else {}),
            )
        return _deployment(item)

    def take_back(self, number: int) -> Deployment:
        """Stop a deployment, or revert it if it was completed within 72 hours, whatever alarms say.

        Raises `PublishingRefusedError` if it is too late for that.
        """
        with _translated():
            self._client.stop_deployment(**self._of_environment, DeploymentNumber=number, AllowRevert=True)
        return self.deployment(number)[0]


def find_digest(digests: dict[int, str], beginning: str) -> Sequence[int]:
    """The versions whose digest begins so, newest first; several only if they differ in digest."""
    found = {digest: version for version, digest in reversed(digests.items()) if digest.startswith(beginning)}
    return sorted(found.values(), reverse=True)


def _deployment(item: dict[str, Any]) -> Deployment:
    version = str(item.get("ConfigurationVersion", ""))
    return Deployment(
        number=item["DeploymentNumber"],
        version=int(version) if version.isdecimal() else 0,
        digest=item.get("VersionLabel", ""),
        state=item["State"],
        percent=item.get("PercentageComplete", 0.0),
        started_at=item.get("StartedAt"),
    )


def _ascii(text: str) -> str:
    # it travels in a header in some of AppConfig's calls
    return text.encode("ascii", "replace").decode()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ConflictException":
            raise PublishingError(
                f"another person is publishing, or has since you looked: see `rules status` ({message})"
            ) from error
        if code in ("BadRequestException", "PayloadTooLargeException"):
            raise PublishingRefusedError(f"AppConfig refuses it: {message or code}") from error
        raise PublishingError(f"AppConfig: {code}: {message}") from error
    except BotoCoreError as error:
        raise PublishingError(f"AppConfig: {error}") from error
