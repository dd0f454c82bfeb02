"""The commands of the public guides by the AWS CLI, in the forms that it accepts."""

import json
import os
import subprocess
import sys

from support import ENDPOINT, Case, main

LAMBDA = "arn:aws:lambda:us-east-1:111111111111:function:my-function"
INVOCATION = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{LAMBDA}/invocations"


def aws(*words):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    command = [sys.executable, "-m", "awscli", "--endpoint-url", ENDPOINT, "--output", "json", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


class Commands(Case):
    def run_command(self, *words):
        code, out, error = aws(*words)
        self.assertEqual(code, 0, error)
        return json.loads(out) if out.strip() else {}

    def test_http_api(self):
        run = lambda *words: self.run_command("apigatewayv2", *words)
        api = run("create-api", "--name", "my-http-api", "--protocol-type", "HTTP", "--target", LAMBDA)["ApiId"]
        at = ("--api-id", api)
        self.assertEqual(run("get-api", *at)["ApiId"], api)
        integration = run(
            "create-integration", *at, "--integration-type", "AWS_PROXY", "--integration-uri", LAMBDA,
            "--payload-format-version", "2.0",
        )["IntegrationId"]
        run("create-route", *at, "--route-key", "GET /greeting/{name}", "--target", f"integrations/{integration}")
        run(
            "create-stage", *at, "--stage-name", "production",
            "--stage-variables", '{"lambdaAlias": "production", "logLevel": "info"}',
        )
        deployment = run("create-deployment", *at, "--stage-name", "production")
        self.assertEqual(deployment["DeploymentStatus"], "DEPLOYED")
        stage = run(
            "update-stage", *at, "--stage-name", "production",
            "--default-route-settings", "ThrottlingBurstLimit=500,ThrottlingRateLimit=1000",
        )
        self.assertEqual(
            stage["DefaultRouteSettings"],
            {"DetailedMetricsEnabled": False, "ThrottlingBurstLimit": 500, "ThrottlingRateLimit": 1000.0},
        )
        settings = {
            "DestinationArn": "arn:aws:logs:us-east-1:1:log-group:/aws/api-gateway/production",
            "Format": '{"requestId":"$context.requestId"}',
        }
        stage = run(
            "update-stage", *at, "--stage-name", "production", "--access-log-settings", json.dumps(settings)
        )
        self.assertEqual(stage["AccessLogSettings"], settings)
        code, _, error = aws(
            "apigatewayv2", "create-integration", *at, "--integration-type", "LAMBDA_PROXY", "--integration-uri", LAMBDA
        )
        self.assertNotEqual(code, 0)
        self.assertIn("BadRequestException", error)

    def test_rest_api(self):
        run = lambda *words: self.run_command("apigateway", *words)
        made = run("create-rest-api", "--name", "my-rest-api", "--description", "My first REST API")
        api = ("--rest-api-id", made["id"])
        root = run("get-resources", *api)["items"][0]["id"]
        users = run("create-resource", *api, "--parent-id", root, "--path-part", "users")["id"]
        method = (*api, "--resource-id", users, "--http-method", "GET")
        run("put-method", *method, "--authorization-type", "NONE")
        run(
            "put-integration", *method, "--type", "AWS_PROXY", "--integration-http-method", "POST",
            "--uri", INVOCATION,
        )
        run("put-method", *api, "--resource-id", users, "--http-method", "POST", "--authorization-type", "AWS_IAM")
        run(
            "put-integration", *api, "--resource-id", users, "--http-method", "POST", "--type", "HTTP_PROXY",
            "--integration-http-method", "POST", "--uri", "http://backend.example/users",
        )
        run("create-deployment", *api, "--stage-name", "prod")
        patch = lambda *operations: run(
            "update-stage", *api, "--stage-name", "prod", "--patch-operations", *operations
        )
        stage = patch("op=replace,path=/~1items/GET/caching/ttlInSeconds,value=300")
        self.assertEqual(stage["methodSettings"]["~1items/GET"]["cacheTtlInSeconds"], 300)
        self.assertIs(patch("op=replace,path=/tracingEnabled,value=true")["tracingEnabled"], True)
        # The client keeps the last of two flags.
        stage = run(
            "update-stage", *api, "--stage-name", "prod",
            "--patch-operations", "op=replace,path=/accessLogSettings/destinationArn,value=arn:aws:logs:x",
            "--patch-operations", "op=replace,path=/accessLogSettings/format,value=$context.requestId",
        )
        self.assertEqual(stage["accessLogSettings"], {"format": "$context.requestId"})
        changed = run(
            "update-rest-api", *api, "--patch-operations", "op=replace,path=/minimumCompressionSize,value=1024"
        )
        self.assertEqual(changed["minimumCompressionSize"], 1024)
        run("create-deployment", *api, "--stage-name", "prod", "--canary-settings", "percentTraffic=10")
        stage = patch(
            "op=copy,from=/canarySettings/deploymentId,path=/deploymentId", "op=remove,path=/canarySettings"
        )
        self.assertNotIn("canarySettings", stage)
        pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc123"
        authorizer = run(
            "create-authorizer", *api, "--name", "pool", "--type", "COGNITO_USER_POOLS", "--provider-arns", pool
        )["id"]
        changed = run(
            "update-authorizer", *api, "--authorizer-id", authorizer,
            "--patch-operations", f"op=add,path=/providerARNs,value={pool}2",
        )
        self.assertEqual(changed["providerARNs"], [pool, pool + "2"])


if __name__ == "__main__":
    main()
