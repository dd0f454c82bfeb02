"""What the scripts of the AWS clients share."""

import contextlib
import os
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["SHARDGATE_MANAGEMENT"]
REGION = "us-east-1"
ACCOUNT = "111111111111"


def client(service, region=REGION, key="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.v1 = client("apigateway")
        cls.v2 = client("apigatewayv2")
        cls.functions = client("lambda")

    @contextlib.contextmanager
    def refused(self, code, message=None, status=None):
        with self.assertRaises(ClientError) as caught:
            yield
        response = caught.exception.response
        self.assertEqual(response["Error"]["Code"], code, response["Error"])
        if message is not None:
            self.assertEqual(response["Error"]["Message"], message)
        if status is not None:
            self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], status)

    def status(self, answer, wanted):
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], wanted)
        return answer

    def rest_api(self, **more):
        api = self.v1.create_rest_api(name="test", **more)
        return api["id"], api["rootResourceId"]

    def deployed_rest_api(self):
        api, root = self.rest_api()
        self.v1.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        self.v1.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        deployment = self.v1.create_deployment(restApiId=api, stageName="prod")
        return api, root, deployment["id"]


def patch(op, path, value=None, source=None):
    operation = {"op": op, "path": path}
    if value is not None:
        operation["value"] = value
    if source is not None:
        operation["from"] = source
    return [operation]


def pages(operation, key, token, limit_name, limit, **arguments):
    """All items of a list, page by page, and how many pages there were."""
    items, count, after = [], 0, {}
    while True:
        page = operation(**arguments, **{limit_name: limit}, **after)
        items += page[key]
        count += 1
        if token not in page:
            return items, count
        after = {token: page[token]}


main = unittest.main
