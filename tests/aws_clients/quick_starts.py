"""The quick starts of the guides, by the AWS CLI and by boto3: an API is made, deployed and called."""

import http.server
import json
import os
import pathlib
import tempfile
import threading
import time
import urllib.error
import urllib.request

from cli import aws
from functions import ROLE, arn, zipped
from support import Case, client, main, patch

PUBLIC = os.environ["SHARDGATE_PUBLIC"]
PETS = [{"id": 1, "type": "dog", "price": 249.99}, {"id": 2, "type": "cat", "price": 124.99}]
#: A change is live 100 ms after its answer; this is as many tries again for a busy machine.
TRIES_MAX, PAUSE_SECONDS = 100, 0.005
#: Statuses of a place where no API is served.
NO_API = (403, 404, 421)


class PetStore(http.server.BaseHTTPRequestHandler):
    """What the guides have at petstore-demo-endpoint.execute-api.com."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/petstore/pets":
            return self.say(200, PETS)
        for pet in PETS:
            if path == f"/petstore/pets/{pet['id']}":
                return self.say(200, pet)
        return self.say(404, {"path": self.path})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.say(201, {"path": self.path, "pet": json.loads(body)})

    def say(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def call(api, path, body=None):
    """The status, the headers and the body of a call to `path` ("/stage/...") of a deployed API, by
    the form of its endpoint that needs no DNS."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(f"{PUBLIC}/_aws/execute-api/{api}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, parsed(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, parsed(error.read())


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


class QuickStarts(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), PetStore)
        cls.thread = threading.Thread(target=cls.backend.serve_forever)
        cls.thread.start()
        cls.pet_store = f"http://127.0.0.1:{cls.backend.server_port}/petstore"

    @classmethod
    def tearDownClass(cls):
        cls.backend.shutdown()
        cls.thread.join()
        cls.backend.server_close()

    def run_command(self, *words):
        code, out, error = aws(*words)
        self.assertEqual(code, 0, error)
        return json.loads(out) if out.strip() else {}

    def call_for(self, wanted, api, path, body=None):
        """Calls until the status is `wanted`: a deployment is live in a moment."""
        for _ in range(TRIES_MAX):
            answer = call(api, path, body)
            if answer[0] == wanted:
                return answer
            time.sleep(PAUSE_SECONDS)
        self.fail(f"{path} is answered with {answer[0]} {answer[2]}, not with {wanted}")

    def test_http_api_by_the_cli(self):
        made = self.run_command(
            "apigatewayv2", "create-api", "--name", "my-http-api", "--protocol-type", "HTTP",
            "--target", self.pet_store.removesuffix("/petstore"),
        )
        api = made["ApiId"]
        _, headers, pets = self.call_for(200, api, "/$default/petstore/pets")
        self.assertEqual(pets, PETS)
        self.assertIn("apigw-requestid", headers)
        self.assertNotIn("x-amzn-requestid", headers)
        status, _, said = call(api, "/$default/petstore/pets", {"type": "fish"})
        self.assertEqual((status, said), (201, {"path": "/petstore/pets", "pet": {"type": "fish"}}))
        # What is added is there at once: the stage of a quick create deploys by itself.
        integration = self.run_command(
            "apigatewayv2", "create-integration", "--api-id", api, "--integration-type", "HTTP_PROXY",
            "--integration-method", "GET", "--integration-uri", f"{self.pet_store}/pets/{{id}}",
            "--payload-format-version", "1.0",
        )["IntegrationId"]
        self.run_command(
            "apigatewayv2", "create-route", "--api-id", api, "--route-key", "GET /pet/{id}",
            "--target", f"integrations/{integration}",
        )
        _, _, pet = self.call_for(200, api, "/$default/pet/2")
        self.assertEqual(pet, PETS[1])
        self.run_command("apigatewayv2", "delete-api", "--api-id", api)
        self.assertIn(self.until_gone(api, "/$default/pet/2"), NO_API)

    def until_gone(self, api, path):
        for _ in range(TRIES_MAX):
            status, _, _ = call(api, path)
            if status != 200:
                return status
            time.sleep(PAUSE_SECONDS)
        return self.fail(f"{path} is still there")

    def test_rest_api_by_the_cli(self):
        """The pet store of "Create an API using the AWS CLI", in the region of that page."""
        region = ("--region", "us-west-2")
        run = lambda *words: self.run_command("apigateway", *words, *region)
        api = run("create-rest-api", "--name", "Simple PetStore (AWS CLI)")["id"]
        at = ("--rest-api-id", api)
        root = run("get-resources", *at)["items"][0]["id"]
        pets = run("create-resource", *at, "--parent-id", root, "--path-part", "pets")["id"]
        pet = run("create-resource", *at, "--parent-id", pets, "--path-part", "{petId}")["id"]
        for resource, uri, method, integration in (
            (pets, "/pets", (), ()),
            (
                pet, "/pets/{id}", ("--request-parameters", "method.request.path.petId=true"),
                ("--request-parameters", '{"integration.request.path.id":"method.request.path.petId"}'),
            ),
        ):
            get = (*at, "--resource-id", resource, "--http-method", "GET")
            run("put-method", *get, "--authorization-type", "NONE", *method)
            run("put-method-response", *get, "--status-code", "200")
            run(
                "put-integration", *get, "--type", "HTTP", "--integration-http-method", "GET",
                "--uri", self.pet_store + uri, *integration,
            )
            # An empty pattern is that of the default.
            run("put-integration-response", *get, "--status-code", "200", "--selection-pattern", "")
        # Tried before it is deployed.
        tried = run(
            "test-invoke-method", *at, "--resource-id", pet, "--http-method", "GET",
            "--path-with-query-string", "/pets/2",
        )
        self.assertEqual((tried["status"], json.loads(tried["body"])), (200, PETS[1]))
        self.assertIn(" : Successfully completed execution\n", tried["log"])
        run(
            "create-deployment", *at, "--stage-name", "test", "--stage-description", "Test stage",
            "--description", "First deployment",
        )
        _, headers, said = self.call_for(200, api, "/test/pets")
        self.assertEqual(said, PETS)
        self.assertRegex(headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
        self.assertEqual(call(api, "/test/pets/1")[::2], (200, PETS[0]))
        status, headers, said = call(api, "/test/owners")
        self.assertEqual((status, said), (403, {"message": "Missing Authentication Token"}))
        self.assertEqual(headers["x-amzn-ErrorType"], "MissingAuthenticationTokenException")
        status, _, said = call(api, "/test/pets", {"type": "fish"})
        self.assertEqual((status, said), (403, {"message": "Missing Authentication Token"}))

    def lambda_command(self, *words):
        return self.run_command("lambda", *words)

    def zip_file(self, folder, text, name="app.py"):
        path = pathlib.Path(folder, "function.zip")
        path.write_bytes(zipped({name: text}))
        return f"fileb://{path}"

    def until_says(self, wanted, api, path):
        """Calls until the answer is `wanted`: what was changed is in force in a moment."""
        for _ in range(TRIES_MAX):
            status, _, said = call(api, path)
            if (status, said) == (200, wanted):
                return
            time.sleep(PAUSE_SECONDS)
        self.fail(f"{path} is answered with {status} {said}, not with {wanted}")

    def test_a_function_behind_an_http_api_by_the_cli(self):
        """A function is made from a zip, called, put behind an API, and changed."""
        code = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'VERSION ' + event['rawPath']}\n"
        with tempfile.TemporaryDirectory() as folder:
            run = self.lambda_command
            made = run(
                "create-function", "--function-name", "hello", "--runtime", "python3.13", "--handler", "app.handler",
                "--role", ROLE, "--zip-file", self.zip_file(folder, code.replace("VERSION", "one")),
            )
            self.assertEqual(made["FunctionArn"], arn("hello"))
            run("wait", "function-active-v2", "--function-name", "hello")
            result = pathlib.Path(folder, "result.json")
            told = run(
                "invoke", "--function-name", "hello",
                "--payload", '{"rawPath": "/cli"}', str(result),
            )
            self.assertEqual((told["StatusCode"], told["ExecutedVersion"]), (200, "$LATEST"))
            self.assertEqual(json.loads(result.read_text()), {"statusCode": 200, "body": "one /cli"})
            told = run("invoke", "--function-name", "hello", "--payload", "{}", str(result))
            self.assertEqual(told["FunctionError"], "Unhandled")
            self.assertEqual(json.loads(result.read_text())["errorType"], "KeyError")
            api = self.run_command(
                "apigatewayv2", "create-api", "--name", "hello", "--protocol-type", "HTTP", "--target", made["FunctionArn"],
            )["ApiId"]
            run(
                "add-permission", "--function-name", "hello", "--statement-id", "api", "--action", "lambda:InvokeFunction",
                "--principal", "apigateway.amazonaws.com",
            )
            self.until_says("one /x", api, "/$default/x")
            version = run("publish-version", "--function-name", "hello")["Version"]
            run("create-alias", "--function-name", "hello", "--name", "live", "--function-version", version)
            run(
                "update-function-code", "--function-name", "hello",
                "--zip-file", self.zip_file(folder, code.replace("VERSION", "two")),
            )
            self.until_says("two /x", api, "/$default/x")
            # The alias has the version that it had.
            told = run(
                "invoke", "--function-name", "hello", "--qualifier", "live",
                "--payload", '{"rawPath": "/cli"}', str(result),
            )
            self.assertEqual((told["ExecutedVersion"], json.loads(result.read_text())["body"]), (version, "one /cli"))
            run("delete-function", "--function-name", "hello")
            self.call_for(500, api, "/$default/x")
            self.run_command("apigatewayv2", "delete-api", "--api-id", api)

    def test_a_function_behind_a_rest_api_by_the_cli(self):
        code = "exports.handler = async (event) => ({statusCode: 201, body: event.path});\n"
        run = lambda *words: self.run_command("apigateway", *words)
        with tempfile.TemporaryDirectory() as folder:
            self.lambda_command(
                "create-function", "--function-name", "rest", "--runtime", "nodejs22.x", "--handler", "index.handler",
                "--role", ROLE, "--zip-file", self.zip_file(folder, code, "index.js"),
            )
        api = run("create-rest-api", "--name", "function")["id"]
        at = ("--rest-api-id", api)
        root = run("get-resources", *at)["items"][0]["id"]
        proxy = run("create-resource", *at, "--parent-id", root, "--path-part", "{proxy+}")["id"]
        method = (*at, "--resource-id", proxy, "--http-method", "ANY")
        run("put-method", *method, "--authorization-type", "NONE")
        run(
            "put-integration", *method, "--type", "AWS_PROXY", "--integration-http-method", "POST",
            "--uri", f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn('rest')}/invocations",
        )
        run("create-deployment", *at, "--stage-name", "prod")
        self.assertEqual(self.call_for(201, api, "/prod/pets/1")[2], "/pets/1")
        self.lambda_command("delete-function", "--function-name", "rest")
        self.call_for(500, api, "/prod/pets/1")

    def test_rest_proxy_by_boto3(self):
        """One greedy resource before a whole site, then a canary release of another integration."""
        v1 = client("apigateway")
        made = v1.create_rest_api(name="proxy")
        api = {"restApiId": made["id"]}
        resource = v1.create_resource(**api, parentId=made["rootResourceId"], pathPart="{proxy+}")["id"]
        method = {**api, "resourceId": resource, "httpMethod": "ANY"}
        v1.put_method(
            **method, authorizationType="NONE", requestParameters={"method.request.path.proxy": True}
        )
        integration = {
            **method, "type": "HTTP_PROXY", "integrationHttpMethod": "ANY",
            "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
        }
        v1.put_integration(**integration, uri=self.pet_store + "/{proxy}")
        v1.create_deployment(**api, stageName="prod")
        self.assertEqual(self.call_for(200, made["id"], "/prod/pets/2")[2], PETS[1])
        status, _, said = call(made["id"], "/prod/pets", {"type": "fish"})
        self.assertEqual((status, said["pet"]), (201, {"type": "fish"}))

        v1.put_integration(**integration, uri=self.pet_store + "/pets/{proxy}")
        v1.create_deployment(**api, stageName="prod", canarySettings={"percentTraffic": 100.0})
        self.assertEqual(self.call_for(200, made["id"], "/prod/2")[2], PETS[1])
        stage = {**api, "stageName": "prod"}
        v1.update_stage(
            **stage,
            patchOperations=patch("replace", "/canarySettings/percentTraffic", "0.0")
            + patch("copy", "/deploymentId", source="/canarySettings/deploymentId")
            + patch("remove", "/canarySettings"),
        )
        self.assertEqual(self.call_for(200, made["id"], "/prod/2")[2], PETS[1])
        v1.delete_stage(**stage)
        self.assertIn(self.until_gone(made["id"], "/prod/2"), NO_API)

    def test_rest_mock_by_boto3(self):
        v1 = client("apigateway")
        made = v1.create_rest_api(name="mock")
        method = {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
        v1.put_method(**method, authorizationType="NONE")
        v1.put_integration(
            **method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
        )
        v1.put_method_response(**method, statusCode="200")
        v1.put_integration_response(
            **method, statusCode="200", responseTemplates={"application/json": '{"message": "Go ahead"}'}
        )
        v1.create_deployment(restApiId=made["id"], stageName="prod")
        self.assertEqual(self.call_for(200, made["id"], "/prod/")[2], {"message": "Go ahead"})


if __name__ == "__main__":
    main()
