"""Admin calls by sub: on the right user, with the effect that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber
from moto import mock_aws

from sessionwarden.adapters.aws.cognito import CognitoUserPool
from sessionwarden.errors import UserPoolError

PASSWORD = "Correct-horse-1!"
FLOW = {"AuthFlow": "ADMIN_USER_PASSWORD_AUTH"}

SUB = "3c1f5f0e-6c2d-4e0b-9d5a-1c7f0f3f9b52"


class People:
    """A user pool with real users."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.pool: str = client.create_user_pool(PoolName=f"p-{uuid4().hex}")["UserPool"]["Id"]
        self.app: str = client.create_user_pool_client(
            UserPoolId=self.pool,
            ClientName="app",
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]

    def create(self, username: str) -> str:
        """The new user's sub."""
        user = self.client.admin_create_user(
            UserPoolId=self.pool, Username=username, MessageAction="SUPPRESS"
        )["User"]
        self.client.admin_set_user_password(
            UserPoolId=self.pool, Username=username, Password=PASSWORD, Permanent=True
        )
        return next(str(attribute["Value"]) for attribute in user["Attributes"] if attribute["Name"] == "sub")

    def sign_in(self, username: str) -> str:
        """An access token."""
        parameters = {"USERNAME": username, "PASSWORD": PASSWORD}
        answer = self.client.admin_initiate_auth(
            UserPoolId=self.pool, ClientId=self.app, AuthParameters=parameters, **FLOW
        )
        return str(answer["AuthenticationResult"]["AccessToken"])

    def enabled(self, username: str) -> bool:
        return bool(self.client.admin_get_user(UserPoolId=self.pool, Username=username)["Enabled"])

    def accepts(self, token: str) -> bool:
        try:
            self.client.get_user(AccessToken=token)
        except self.client.exceptions.NotAuthorizedException:
            return False
        return True


@pytest.fixture(params=["moto", "ministack"])
def people(request: pytest.FixtureRequest) -> Iterator[People]:
    if request.param == "moto":
        with mock_aws():
            yield People(boto3.client("cognito-idp", region_name="us-east-1"))
    else:
        yield People(request.getfixturevalue("emulator").client("cognito-idp"))


def test_a_global_sign_out_ends_the_users_tokens_and_nobody_elses(people: People) -> None:
    sub = people.create("bob")
    people.create("alice")
    bobs, alices = people.sign_in("bob"), people.sign_in("alice")
    assert people.accepts(bobs)
    CognitoUserPool(people.client).sign_out(people.pool, sub)
    assert not people.accepts(bobs)
    assert people.accepts(alices)


def test_a_disabled_account_is_disabled_until_it_is_enabled(people: People) -> None:
    sub = people.create("bob")
    users = CognitoUserPool(people.client)
    users.disable(people.pool, sub)
    assert not people.enabled("bob")
    with pytest.raises(ClientError):
        people.sign_in("bob")
    users.enable(people.pool, sub)
    assert people.sign_in("bob")


def test_a_stranger_whose_username_is_the_sub_of_another_user_is_not_taken_for_them(people: People) -> None:
    sub = people.create("bob")
    people.create(sub)
    users = CognitoUserPool(people.client)
    users.disable(people.pool, sub)
    assert not people.enabled("bob")
    described = users.describe(people.pool, sub)
    assert described is not None
    assert described.username == "bob"


def test_a_user_is_described_by_the_name_and_groups_of_now(people: People) -> None:
    sub = people.create("bob")
    for group in ("staff", "admins"):
        people.client.create_group(UserPoolId=people.pool, GroupName=group)
        people.client.admin_add_user_to_group(UserPoolId=people.pool, Username="bob", GroupName=group)
    described = CognitoUserPool(people.client).describe(people.pool, sub)
    assert described is not None
    assert (described.username, sorted(described.groups)) == ("bob", ["admins", "staff"])


def test_a_user_who_does_not_exist_is_a_final_error_and_has_no_description(people: People) -> None:
    users = CognitoUserPool(people.client)
    nobody = str(uuid4())
    with pytest.raises(UserPoolError) as caught:
        users.sign_out(people.pool, nobody)
    assert (caught.value.code, caught.value.retryable) == ("UserNotFoundException", False)
    assert users.describe(people.pool, nobody) is None


def test_a_pool_that_does_not_exist_is_a_final_error(people: People) -> None:
    with pytest.raises(UserPoolError) as caught:
        CognitoUserPool(people.client).describe("us-east-1_Nowhere", str(uuid4()))
    assert (caught.value.code, caught.value.retryable) == ("ResourceNotFoundException", False)


@pytest.mark.parametrize("sub", ["", "bob", '" or sub ^= "', f"{SUB}\n", f'{SUB}"'])
def test_text_that_is_not_a_sub_never_reaches_cognito(sub: str) -> None:
    client = boto3.client("cognito-idp", region_name="us-east-1")
    with Stubber(client), pytest.raises(UserPoolError, match="NotASub"):
        CognitoUserPool(client).disable("us-east-1_Pool", sub)


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("TooManyRequestsException", 400, True),
        ("ThrottlingException", 400, True),
        ("InternalErrorException", 500, True),
        ("SomethingNew", 503, True),
        ("AccessDeniedException", 400, False),
        ("NotAuthorizedException", 400, False),
        ("InvalidParameterException", 400, False),
    ],
)
def test_only_what_can_pass_is_retryable(code: str, status: int, retryable: bool) -> None:
    client = boto3.client("cognito-idp", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_client_error("admin_get_user", code, http_status_code=status)
        with pytest.raises(UserPoolError) as caught:
            CognitoUserPool(client).sign_out("us-east-1_Pool", str(uuid4()))
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_an_answer_that_never_came_is_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("cognito-idp", region_name="us-east-1")

    def time_out(*args: Any, **kwargs: Any) -> Any:
        raise ConnectTimeoutError(endpoint_url="https://cognito")

    monkeypatch.setattr(client, "admin_get_user", time_out)
    with pytest.raises(UserPoolError) as caught:
        CognitoUserPool(client).sign_out("us-east-1_Pool", str(uuid4()))
    assert caught.value.retryable


def test_a_username_is_found_as_it_is_written_and_not_as_an_alias_or_a_sub(people: People) -> None:
    sub = people.create("bob")
    users = CognitoUserPool(people.client)
    assert users.sub_of(people.pool, "bob") == sub
    assert users.sub_of(people.pool, "alice") is None
    assert users.sub_of(people.pool, sub) is None, "bob is not protected because somebody's name is his sub"


def test_the_members_of_a_group_are_listed_and_no_more_pages_are_read_than_asked_for(people: People) -> None:
    people.client.create_group(UserPoolId=people.pool, GroupName="admins")
    subs = {people.create(name) for name in ("bob", "alice")}
    people.create("mallory")
    for name in ("bob", "alice"):
        people.client.admin_add_user_to_group(UserPoolId=people.pool, GroupName="admins", Username=name)
    users = CognitoUserPool(people.client)
    assert users.members(people.pool, "admins", limit=2) == subs
    assert len(users.members(people.pool, "admins", limit=1)) > 1
    assert users.members(people.pool, "nobodys", limit=2) == frozenset()
