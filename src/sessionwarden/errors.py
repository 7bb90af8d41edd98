"""The one error tree: a branch per stage, a subclass only where a caller acts differently.

Attributes carry the facts, the message says them once. No error ever holds a token, nor a whole
log line: both are hostile text that would end up in an operator's terminal or log.
"""

from __future__ import annotations

from typing import NamedTuple


class SessionwardenError(Exception):
    """Base of everything this package raises on purpose."""


class Diagnostic(NamedTuple):
    """One thing wrong with an input file. Lines and columns count from 1; 0 means unknown."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        at = f" {self.path}:" if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}:{at} {self.message}{hint}"


class InputFileError(SessionwardenError):
    """An operator's file (rules, policy, field mapping) is wrong; holds every mistake found."""

    def __init__(self, diagnostics: list[Diagnostic] | tuple[Diagnostic, ...]) -> None:
        self.diagnostics = tuple(sorted(diagnostics))
        super().__init__("\n".join(map(str, self.diagnostics)))


class SourceError(SessionwardenError):
    """A record cannot become an event. `reason` is a short constant, fit for a metric dimension."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class SettingsError(SessionwardenError):
    """The environment of a function lacks a setting, or holds one that cannot be read; names all of them."""


class RulesetError(SessionwardenError):
    """A compiled rule set cannot be loaded: wrong format version, damaged, or not ours."""


class PolicyError(SessionwardenError):
    """A compiled policy cannot be loaded: wrong format version, damaged, or not ours."""


class RulesUnavailableError(SessionwardenError):
    """What is published cannot be asked for now. `reason` is a code, fit for a log line."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"published rules: {reason}")


class PublishingError(SessionwardenError):
    """A rule set could not be put live or taken back; what was live still is, unless the message says."""


class PublishingRefusedError(PublishingError):
    """The service, or our validator in it, judged the rule set and refused it."""


class RoutesError(SessionwardenError):
    """Compiled routes cannot be loaded: wrong format version, damaged, or not ours."""


class TokenError(SessionwardenError):
    """A token is refused. `reason` is a short constant that reaches the decision line."""

    def __init__(self, reason: str, *, actual: object = None, expected: object = None) -> None:
        self.reason = reason
        self.actual = actual
        self.expected = expected
        super().__init__(reason)


class StoreError(SessionwardenError):
    """A store did not answer, or did not acknowledge. The operation may have happened."""


class DamagedItemError(StoreError):
    """A stored item cannot be read completely; asking again will not help, an operator must look."""


class UserPoolError(SessionwardenError):
    """An admin call to Cognito failed. `retryable` says whether trying again can help."""

    def __init__(self, code: str, *, retryable: bool) -> None:
        self.code = code
        self.retryable = retryable
        super().__init__(code)


class DeliveryError(SessionwardenError):
    """Events, findings or alerts could not be handed over; the batch item must be retried."""


class LocalStackError(SessionwardenError):
    """The local emulator did not start, deploy or answer within its bound."""


class ContextError(SessionwardenError):
    """The context values of a deployment are wrong; holds every mistake found."""

    def __init__(self, diagnostics: list[str] | tuple[str, ...]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("context values: " + "; ".join(self.diagnostics))


class BundleError(SessionwardenError):
    """The Lambda bundles are missing, stale, or cannot be built; the message says what to run."""


class AnswerIsNoError(SessionwardenError):
    """What an operator asked for cannot be done or is not there, although nothing failed; says why."""


class WrongArgumentError(SessionwardenError):
    """An argument of a command cannot be meant: a name that no rule has, or text that is no event."""


class MissingExtraError(SessionwardenError):
    """A package is not installed that comes with one of this package's extras."""

    def __init__(self, package: str, *, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed; pip install 'sessionwarden[{extra}]' brings it")
