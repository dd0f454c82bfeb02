"""A client of the management API, and the APIs that are measured as its calls make them."""

import http.client
import json
import time

from .processes import BenchError

ACCEPT_ALL = 10_000_000
LIVE_SECONDS = 5


class Management:
    """One connection to a management API that takes unsigned calls."""

    def __init__(self, address):
        self.client = http.client.HTTPConnection(address, timeout=60)

    def ask(self, method, path, body=None, wanted=(200, 201)):
        """The answer's body. Another status than those wanted ends the measurement."""
        text = None if body is None else json.dumps(body)
        try:
            self.client.request(method, path, text, {"content-type": "application/json"})
            answer = self.client.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{method} {path}: {error!r}") from None
        if answer.status not in wanted:
            raise BenchError(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return json.loads(said) if said else {}

    def close(self):
        self.client.close()


class HttpApi:
    """An HTTP API. What it has is deployed once its `$default` stage is made, and then at once."""

    def __init__(self, management):
        made = management.ask("POST", "/v2/apis", {"name": "n", "protocolType": "HTTP"})
        self.management, self.id = management, made["apiId"]

    @classmethod
    def of(cls, management, id):
        """The one that has this id."""
        api = cls.__new__(cls)
        api.management, api.id = management, id
        return api

    def integration(self, uri):
        """The target of routes that go to `uri`."""
        body = {
            "integrationType": "HTTP_PROXY", "integrationMethod": "ANY", "integrationUri": uri,
            "payloadFormatVersion": "1.0",
        }
        made = self.management.ask("POST", f"/v2/apis/{self.id}/integrations", body)
        return f"integrations/{made['integrationId']}"

    def route(self, key, target):
        body = {"routeKey": key, "target": target}
        return self.management.ask("POST", f"/v2/apis/{self.id}/routes", body)["routeId"]

    def delete_route(self, route):
        self.management.ask("DELETE", f"/v2/apis/{self.id}/routes/{route}", wanted=(204,))

    def retarget(self, route, target):
        self.management.ask("PATCH", f"/v2/apis/{self.id}/routes/{route}", {"target": target})

    def stage(self, variables=None):
        limits = {"throttlingRateLimit": float(ACCEPT_ALL), "throttlingBurstLimit": ACCEPT_ALL}
        body = {"stageName": "$default", "autoDeploy": True, "defaultRouteSettings": limits}
        body["stageVariables"] = variables or {}
        self.management.ask("POST", f"/v2/apis/{self.id}/stages", body)

    def set_variables(self, variables):
        body = {"stageVariables": variables}
        self.management.ask("PATCH", f"/v2/apis/{self.id}/stages/$default", body)

    def path(self, path):
        """`path` of the API as a client without DNS asks for it."""
        return f"/_aws/execute-api/{self.id}/$default{path}"


class RestApi:
    """A REST API, deployed to the stage `prod` on request."""

    def __init__(self, management):
        self.management = management
        made = management.ask("POST", "/restapis", {"name": "n"})
        self.id, self.root = made["id"], made["rootResourceId"]

    def resource(self, part, parent=None):
        path = f"/restapis/{self.id}/resources/{parent or self.root}"
        return self.management.ask("POST", path, {"pathPart": part})["id"]

    def http_proxy(self, resource, uri):
        """GET of a resource by an HTTP proxy."""
        body = {"type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri}
        self._method(resource)
        self.management.ask("PUT", f"{self._get(resource)}/integration", body)

    def mock(self, resource):
        """GET of a resource by a mock, which has no answer yet."""
        templates = {"application/json": '{"statusCode": 200}'}
        self._method(resource)
        path = self._get(resource)
        self.management.ask("PUT", f"{path}/integration", {"type": "MOCK", "requestTemplates": templates})
        self.management.ask("PUT", f"{path}/responses/200", {})

    def mock_body(self, resource, text):
        templates = {"responseTemplates": {"application/json": text}}
        self.management.ask("PUT", f"{self._get(resource)}/integration/responses/200", templates)

    def _method(self, resource):
        self.management.ask("PUT", self._get(resource), {"authorizationType": "NONE"})

    def _get(self, resource):
        return f"/restapis/{self.id}/resources/{resource}/methods/GET"

    def deploy(self):
        self.management.ask("POST", f"/restapis/{self.id}/deployments", {"stageName": "prod"})

    def set_limits(self):
        """A throttle that each request passes and that never refuses one."""
        path = "/*/*/throttling/"
        operations = [
            {"op": "replace", "path": path + name, "value": str(ACCEPT_ALL)}
            for name in ("rateLimit", "burstLimit")
        ]
        body = {"patchOperations": operations}
        self.management.ask("PATCH", f"/restapis/{self.id}/stages/prod", body)

    def path(self, path):
        """`path` of the API as a client without DNS asks for it."""
        return f"/_aws/execute-api/{self.id}/prod{path}"


def wait_until_live(address, path, body_bytes=None):
    """Returns once `path` is answered with 200, and a body of so many bytes if that is said."""
    client = http.client.HTTPConnection(address, timeout=60)
    deadline = time.monotonic() + LIVE_SECONDS
    while True:
        client.request("GET", path)
        answer = client.getresponse()
        said = answer.read()
        if answer.status == 200 and body_bytes in (None, len(said)):
            return client.close()
        if time.monotonic() > deadline:
            raise BenchError(
                f"{path} is answered with {answer.status} {said[:200].decode(errors='replace')} "
                f"{LIVE_SECONDS} s after it was deployed"
            )
        time.sleep(0.005)
