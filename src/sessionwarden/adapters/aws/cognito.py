"""Signs out, disables and describes users of a Cognito user pool, whom it finds by their `sub`.

Invariant: an action uses a name only if Cognito has just answered that the name belongs to this sub. The
parameter `Username` may be a username, an alias or a local user's sub (API reference of
AdminUserGlobalSignOut), and an attacker may have registered a victim's sub as username; AWS's developer
portal has acted on the wrong user that way (awslabs/aws-api-gateway-developer-portal, pull request 367).
Users of external providers are not found by sub, so they are looked up with ListUsers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from sessionwarden.errors import UserPoolError
from sessionwarden.ports import PoolUser

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

SUB = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
USER_NOT_FOUND = "UserNotFoundException"
GROUP_NOT_FOUND = "ResourceNotFoundException"
NOT_A_SUB = "NotASub"
PAGE_SIZE = 60
"""Members that Cognito returns at most (API reference of ListUsersInGroup, `Limit`)."""
RETRYABLE_CODES = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "LimitExceededException",
        "InternalErrorException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
    }
)


class _Found(NamedTuple):
    """A user: the name that Cognito accepted in the call (`handle`), and the username it returned."""

    handle: str
    username: str


class CognitoUserPool:
    """`ports.UserPool` and `ports.UserDirectory`, over boto3. An action costs up to four calls."""

    def __init__(self, client: CognitoIdentityProviderClient) -> None:
        self._client = client

    def describe(self, pool: str, user: str) -> PoolUser | None:
        try:
            found = self._resolve(pool, user)
            with _user_pool_errors():
                pages = self._client.get_paginator("admin_list_groups_for_user").paginate(
                    UserPoolId=pool, Username=found.handle
                )
                groups = tuple(group["GroupName"] for page in pages for group in page["Groups"])
        except UserPoolError as error:
            if error.code in (USER_NOT_FOUND, NOT_A_SUB):
                return None
            raise
        return PoolUser(found.username, groups)

    def sub_of(self, pool: str, username: str) -> str | None:
        try:
            with _user_pool_errors():
                answer = self._client.admin_get_user(UserPoolId=pool, Username=username)
        except UserPoolError as error:
            if error.code == USER_NOT_FOUND:
                return None
            raise
        # the text may be an alias, or the sub, of a user with another name
        return _sub(answer["UserAttributes"]) if answer["Username"] == username else None

    def members(self, pool: str, group: str, *, limit: int) -> frozenset[str]:
        found: set[str] = set()
        pages = self._client.get_paginator("list_users_in_group").paginate(
            UserPoolId=pool, GroupName=group, PaginationConfig={"PageSize": PAGE_SIZE}
        )
        try:
            with _user_pool_errors():
                for page in pages:
                    found |= {sub for user in page["Users"] if (sub := _sub(user["Attributes"])) is not None}
                    if len(found) > limit:
                        break
        except UserPoolError as error:
            if error.code != GROUP_NOT_FOUND:
                raise
        return frozenset(found)

    def sign_out(self, pool: str, user: str) -> None:
        self._act(self._client.admin_user_global_sign_out, pool, user)

    def disable(self, pool: str, user: str) -> None:
        self._act(self._client.admin_disable_user, pool, user)

    def enable(self, pool: str, user: str) -> None:
        self._act(self._client.admin_enable_user, pool, user)

    def _act(self, call: Callable[..., Any], pool: str, user: str) -> None:
        found = self._resolve(pool, user)
        with _user_pool_errors():
            call(UserPoolId=pool, Username=found.handle)

    def _resolve(self, pool: str, sub: str) -> _Found:
        """The user with this sub.

        Raises `UserPoolError`: `UserNotFoundException` if there is none, `NotASub` for text that is not a
        UUID, because it becomes part of a filter expression.
        """
        if not SUB.fullmatch(sub):
            raise UserPoolError(NOT_A_SUB, retryable=False)
        found = self._found(pool, sub, handle=sub)
        for handle in () if found else self._listed(pool, sub):
            found = found or self._found(pool, sub, handle=handle)
        if found is None:
            raise UserPoolError(USER_NOT_FOUND, retryable=False)
        return found

    def _found(self, pool: str, sub: str, *, handle: str) -> _Found | None:
        """The user that Cognito knows as `handle`, if it is the one with this sub."""
        try:
            with _user_pool_errors():
                answer = self._client.admin_get_user(UserPoolId=pool, Username=handle)
        except UserPoolError as error:
            if error.code == USER_NOT_FOUND:
                return None
            raise
        if {"Name": "sub", "Value": sub} not in answer["UserAttributes"]:
            return None
        return _Found(handle, answer["Username"])

    def _listed(self, pool: str, sub: str) -> list[str]:
        """The usernames that Cognito lists for this sub, which finds users of external providers too."""
        with _user_pool_errors():
            answer = self._client.list_users(UserPoolId=pool, Filter=f'sub = "{sub}"', Limit=2)
        return [user["Username"] for user in answer["Users"]]


def _sub(attributes: Sequence[Any]) -> str | None:
    return next((str(one["Value"]) for one in attributes if one["Name"] == "sub"), None)


@contextmanager
def _user_pool_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise UserPoolError(code, retryable=code in RETRYABLE_CODES or status >= 500) from error
    except BotoCoreError as error:
        # without a readable answer Cognito may have done it, and all these calls are safe to repeat
        raise UserPoolError(type(error).__name__, retryable=True) from error
