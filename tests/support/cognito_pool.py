"""A user pool in the emulator, with users and machines that really sign in."""

from __future__ import annotations

import base64
import json
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sessionwarden.adapters.lean.jwks import fetch_jwks
from sessionwarden.tokens.cognito import CognitoVerifier, Pool

if TYPE_CHECKING:
    from sessionwarden.local.emulator.emulator import Emulator

PASSWORD = "Correct-horse-1"


class SignIn(NamedTuple):
    access: str
    refresh: str


class EmulatedPool:
    """One pool and one app client, new for each instance."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.cognito: Any = emulator.client("cognito-idp")
        self.pool_id: str = self.cognito.create_user_pool(PoolName=uuid.uuid4().hex)["UserPool"]["Id"]
        self.client_id: str = self.cognito.create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName="people",
            EnableTokenRevocation=True,
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]["ClientId"]

    def verifier(self, clock: Callable[[], float]) -> CognitoVerifier:
        jwks_url = f"{self._emulator.endpoint_url}/{self.pool_id}/.well-known/jwks.json"
        return CognitoVerifier([Pool(self.pool_id, None, jwks_url)], fetch=fetch_jwks, clock=clock)

    def add(self, name: str) -> None:
        self.cognito.admin_create_user(UserPoolId=self.pool_id, Username=name, MessageAction="SUPPRESS")
        self.cognito.admin_set_user_password(
            UserPoolId=self.pool_id, Username=name, Password=PASSWORD, Permanent=True
        )

    def sign_in(self, name: str) -> SignIn:
        answer = self.cognito.admin_initiate_auth(
            UserPoolId=self.pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        return SignIn(answer["AccessToken"], answer["RefreshToken"])

    def machine_token(self) -> str:
        """An access token of the client credentials grant, whose only scope is `api/read`."""
        self.cognito.create_resource_server(
            UserPoolId=self.pool_id,
            Identifier="api",
            Name="api",
            Scopes=[{"ScopeName": "read", "ScopeDescription": "read"}],
        )
        machine = self.cognito.create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName="machine",
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=["api/read"],
            AllowedOAuthFlowsUserPoolClient=True,
        )["UserPoolClient"]
        credentials = base64.b64encode(f"{machine['ClientId']}:{machine['ClientSecret']}".encode()).decode()
        grant = {
            "grant_type": "client_credentials",
            "scope": "api/read",
            "client_id": machine["ClientId"],
            "client_secret": machine["ClientSecret"],
        }
        request = urllib.request.Request(
            f"{self._emulator.endpoint_url}/oauth2/token",
            data=urllib.parse.urlencode(grant).encode(),
            headers={"Authorization": f"Basic {credentials}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["access_token"])
