"""The API kinds that the demo leaves out, from the stack to a client: WebSocket, REST TOKEN, AppSync."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from sessionwarden.denylist.item import to_item
from sessionwarden.deploy.synthesis import synthesize
from sessionwarden.local.demo.session import run_command
from sessionwarden.local.emulator.deployer import Outputs, deploy_assembly
from sessionwarden.local.emulator.emulator import Emulator
from sessionwarden.model.deny import DenyEntry
from sessionwarden.model.principal import principal

STACK = "guarded-apis"
STAGE = "live"
TOKEN_PARAMETER = "token"
PASSWORD = "Correct-horse-1"
SCHEMA = b"type Query { hello: String }\nschema { query: Query }"


class Apis(NamedTuple):
    """Three APIs that exist before the deployment, by their ids."""

    websocket: str
    rest: str
    rest_resource: str
    appsync: str


class GuardedApis(NamedTuple):
    """A deployment whose authorizer guards these APIs, used as client and as operator."""

    emulator: Emulator
    apis: Apis
    pool: str
    client: str
    outputs: Outputs

    def statuses(self, token: str) -> dict[str, int]:
        return {
            "websocket, header": self._websocket("", {"Authorization": f"Bearer {token}"}),
            "websocket, parameter": self._websocket(f"?{TOKEN_PARAMETER}={token}", {}),
            "rest token": self._status(
                "GET", f"{self.emulator.api_url(self.apis.rest, STAGE)}/orders", {"Authorization": token}
            ),
            "appsync": self._status(
                "POST",
                f"{self.emulator.endpoint_url}/v1/apis/{self.apis.appsync}/graphql",
                {"Authorization": token, "Content-Type": "application/json"},
                json.dumps({"query": "{ hello }"}),
            ),
        }

    def statuses_once(self, token: str, wanted: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The statuses as soon as they are `wanted`, or those after 10 s, when every poll is long over."""
        for _ in range(20):
            statuses = self.statuses(token)
            if wanted(statuses):
                break
            time.sleep(0.5)
        return statuses

    def command(self, *arguments: str) -> Any:
        """What `sessionwarden decisions` prints as JSON about this deployment."""
        ran = run_command(self.emulator, "decisions", *arguments, "--stack", STACK, "--output", "json")
        assert ran.exit_status == 0, ran.output
        return json.loads(ran.output)

    def _websocket(self, query: str, headers: dict[str, str]) -> int:
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        url = self.emulator.api_url(self.apis.websocket, STAGE) + query
        return self._status("GET", url, upgrade | headers)

    def _status(self, method: str, url: str, headers: dict[str, str], body: str | None = None) -> int:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=20)
        try:
            connection.request(method, url.partition(parts.netloc)[2], body=body, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def sign_in(self, username: str) -> tuple[str, str]:
        """The `sub` and an access token of a new user."""
        cognito = self.emulator.client("cognito-idp")
        created = cognito.admin_create_user(UserPoolId=self.pool, Username=username, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=username, Password=PASSWORD, Permanent=True
        )
        tokens = cognito.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=self.client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD},
        )
        attributes = {item["Name"]: item["Value"] for item in created["User"]["Attributes"]}
        return attributes["sub"], tokens["AuthenticationResult"]["AccessToken"]


@pytest.fixture(scope="module")
def guarded(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> GuardedApis:
    cognito = emulator.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="guarded-apis")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    apis = _create_apis(emulator)
    outputs = _deploy(emulator, apis, pool, client, tmp_path_factory.mktemp("guarded-apis"))
    _attach(emulator, apis, outputs)
    return GuardedApis(emulator, apis, pool, client, outputs)


def test_every_api_kind_lets_a_session_in_until_it_is_denied_and_never_a_stranger(
    guarded: GuardedApis,
) -> None:
    user, token = guarded.sign_in("alice")
    assert guarded.statuses(token) == {
        "websocket, header": 101,
        "websocket, parameter": 101,
        "rest token": 200,
        "appsync": 200,
    }

    later = int(time.time()) + 900
    item = to_item(principal(guarded.pool, user), DenyEntry("d-1", later, deny_until=later))
    guarded.emulator.client("dynamodb").put_item(TableName=guarded.outputs["DenylistTable"], Item=item)

    refused = guarded.statuses(token)
    assert refused == {
        "websocket, header": 403,
        "websocket, parameter": 403,
        "rest token": 403,
        "appsync": 401,
    }
    stranger = guarded.statuses("a.b.c")
    assert {kind: status for kind, status in stranger.items() if status < 400} == {}


def test_a_deny_of_the_app_client_closes_every_api_kind_and_its_lift_opens_them(
    guarded: GuardedApis,
) -> None:
    _, token = guarded.sign_in("bob")
    opened = guarded.statuses(token)
    assert max(opened.values()) < 400

    added = guarded.command("add", "--client", guarded.client, "--duration", "1h", "--reason", "leaked")
    closed = guarded.statuses_once(token, lambda statuses: min(statuses.values()) >= 400)
    assert set(closed.values()) == {401, 403}

    guarded.command("delete", added["decision"]["id"])
    assert guarded.statuses_once(token, lambda statuses: statuses == opened) == opened


def test_apis_invoke_a_version_with_a_snapshot_from_when_it_was_published(guarded: GuardedApis) -> None:
    live = guarded.outputs["AuthorizerFunction"]
    configuration = guarded.emulator.client("lambda").get_function_configuration(FunctionName=live)

    assert live.endswith(":live")
    assert configuration["Version"] == "1"
    assert configuration["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}


def _create_apis(emulator: Emulator) -> Apis:
    gateway = emulator.client("apigatewayv2")
    websocket = gateway.create_api(
        Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    gateway.create_stage(ApiId=websocket, StageName=STAGE, AutoDeploy=True)
    rest = emulator.client("apigateway")
    api = rest.create_rest_api(name="rest")
    root = rest.get_resources(restApiId=api["id"])["items"][0]["id"]
    orders = rest.create_resource(restApiId=api["id"], parentId=root, pathPart="orders")["id"]
    graphql = emulator.client("appsync").create_graphql_api(name="graphql", authenticationType="API_KEY")
    appsync = graphql["graphqlApi"]["apiId"]
    emulator.client("appsync").start_schema_creation(apiId=appsync, definition=SCHEMA)
    return Apis(websocket, api["id"], orders, appsync)


def _deploy(emulator: Emulator, apis: Apis, pool: str, client: str, folder: Path) -> Outputs:
    context = {
        "target": "local",
        "local_endpoint": emulator.endpoint_url,
        "stack_name": STACK,
        "user_pools": [{"pool_id": pool, "client_ids": [client]}],
        "websocket_api_ids": [apis.websocket],
        "websocket_token_parameter": TOKEN_PARAMETER,
        "rest_token_api_ids": [apis.rest],
        "appsync_api_ids": [apis.appsync],
    }
    return deploy_assembly(emulator, synthesize(folder, context))[STACK]


def _attach(emulator: Emulator, apis: Apis, outputs: Outputs) -> None:
    gateway = emulator.client("apigatewayv2")
    # the emulator's CloudFormation names the header where a template names no identity source
    gateway.update_authorizer(
        ApiId=apis.websocket, AuthorizerId=outputs[f"AuthorizerId{apis.websocket}"], IdentitySource=[]
    )
    gateway.create_route(
        ApiId=apis.websocket,
        RouteKey="$connect",
        AuthorizationType="CUSTOM",
        AuthorizerId=outputs[f"AuthorizerId{apis.websocket}"],
    )
    rest = emulator.client("apigateway")
    method = {"restApiId": apis.rest, "resourceId": apis.rest_resource, "httpMethod": "GET"}
    rest.put_method(**method, authorizationType="CUSTOM", authorizerId=outputs[f"AuthorizerId{apis.rest}"])
    rest.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    rest.put_method_response(**method, statusCode="200")
    rest.put_integration_response(**method, statusCode="200")
    rest.create_deployment(restApiId=apis.rest, stageName=STAGE)
    emulator.client("appsync").update_graphql_api(
        apiId=apis.appsync,
        name="graphql",
        authenticationType="AWS_LAMBDA",
        lambdaAuthorizerConfig=json.loads(outputs[f"AppSyncAuthorizer{apis.appsync}"]),
    )
