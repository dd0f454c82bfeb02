"""The Lambda operations, by boto3 and by the AWS CLI."""

import base64
import hashlib
import io
import json
import os
import pathlib
import re
import tempfile
import urllib.error
import urllib.request
import zipfile

from cli import aws
from support import ACCOUNT, REGION, Case, client, main, pages

ROLE = f"arn:aws:iam::{ACCOUNT}:role/functions"
CODE = "exports.handler = async (event) => ({statusCode: 200, body: 'hello'});\n"


def zipped(files):
    """A zip of files by name: a text, or a pair of a unix mode with it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            mode, content = content if isinstance(content, tuple) else (0o100644, content)
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def arn(name, qualifier=None):
    full = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return f"{full}:{qualifier}" if qualifier else full


class Functions(Case):
    def create(self, name, files=None, **more):
        code = {"ZipFile": zipped(files or {"index.js": CODE})}
        request = {"Runtime": "nodejs22.x", "Role": ROLE, "Handler": "index.handler", "Code": code}
        made = self.functions.create_function(FunctionName=name, **{**request, **more})
        self.addCleanup(self.remove, name)
        return made

    def remove(self, name):
        try:
            self.functions.delete_function(FunctionName=name)
        except self.functions.exceptions.ResourceNotFoundException:
            pass

    def test_life_of_a_function(self):
        made = self.status(self.create("life", Environment={"Variables": {"STAGE": "test"}}), 201)
        zip_file = zipped({"index.js": CODE})
        self.assertEqual(made["FunctionArn"], arn("life"))
        self.assertEqual(made["CodeSha256"], base64.b64encode(hashlib.sha256(zip_file).digest()).decode())
        self.assertEqual(made["CodeSize"], len(zip_file))
        self.assertRegex(made["LastModified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
        self.assertEqual(
            (made["State"], made["LastUpdateStatus"], made["Version"], made["Timeout"], made["MemorySize"]),
            ("Active", "Successful", "$LATEST", 3, 128),
        )
        for waiter in ("function_active_v2", "function_updated_v2", "function_exists"):
            self.functions.get_waiter(waiter).wait(FunctionName="life")

        got = self.functions.get_function(FunctionName=arn("life"))
        self.assertEqual(got["Configuration"]["Environment"], {"Variables": {"STAGE": "test"}})
        with urllib.request.urlopen(got["Code"]["Location"], timeout=30) as answer:
            self.assertEqual(answer.read(), zip_file)
        location = re.sub("signature=..", "signature=zz", got["Code"]["Location"])
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(location, timeout=30)
        self.assertEqual(caught.exception.code, 403)
        caught.exception.close()

        updated = self.functions.update_function_configuration(
            FunctionName="life", Timeout=30, MemorySize=512, Environment={"Variables": {}}
        )
        self.assertEqual((updated["Timeout"], updated["MemorySize"]), (30, 512))
        self.assertNotIn("Environment", updated)
        self.assertNotEqual(updated["RevisionId"], made["RevisionId"])
        with self.refused("PreconditionFailedException", status=412):
            self.functions.update_function_code(
                FunctionName="life", ZipFile=zip_file, RevisionId=made["RevisionId"]
            )
        updated = self.functions.update_function_code(
            FunctionName="life", ZipFile=zipped({"index.mjs": CODE}), Publish=True
        )
        self.assertEqual((updated["Version"], updated["FunctionArn"]), ("1", arn("life", "1")))
        self.status(self.functions.delete_function(FunctionName="life"), 204)
        with self.refused("ResourceNotFoundException", f"Function not found: {arn('life')}", 404):
            self.functions.get_function_configuration(FunctionName="life")

    def test_errors_have_the_forms_of_the_service(self):
        self.create("twice")
        with self.assertRaises(self.functions.exceptions.ResourceConflictException) as caught:
            self.create("twice")
        response = caught.exception.response
        self.assertEqual(response["Error"]["Message"], "Function already exist: twice")
        self.assertEqual((response["Type"], response["message"]), ("User", "Function already exist: twice"))
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["x-amzn-errortype"], "ResourceConflictException")
        with self.refused("InvalidParameterValueException", status=400):
            self.create("image", PackageType="Image", Code={"ImageUri": "x"})
        with self.refused("InvalidParameterValueException", status=400):
            self.create("ruby", Runtime="ruby3.3")
        with self.refused(
            "ValidationException",
            "1 validation error detected: Value '901901' at 'memorySize' failed to satisfy constraint: "
            "Member must have value less than or equal to 32768",
            400,
        ):
            self.create("memory", MemorySize=901901)
        with self.refused("ValidationException", status=400):
            self.create("x y")
        with self.refused("NotImplementedException", "CreateEventSourceMapping: not available in this version", 501):
            self.functions.create_event_source_mapping(FunctionName="twice")
        with self.refused("NotImplementedException", status=501):
            self.functions.list_layers()

    def test_attacks_by_zips_leave_nothing(self):
        link = 0o120777
        folders = pathlib.Path(os.environ["SHARDGATE_AUDIT_LOG"]).with_name("state.redb.functions")

        def unpacked():
            return {path.name for path in folders.iterdir() if path.is_dir()}

        # Code that was deleted stays for as long as a process of it may still work.
        before = unpacked()
        unreadable = "Could not unzip uploaded file. Please check your file, then try to upload again."
        for files in (
            {"../evil.js": CODE},
            {"/tmp/shardgate-evil.js": CODE},
            {"a/../../evil.js": CODE},
            {"out": (link, "../..")},
            {"out": (link, "/etc/passwd")},
            {"d": (link, "."), "d/f": CODE},
            {"device": (0o020666, "")},
        ):
            with self.refused("InvalidParameterValueException", unreadable):
                self.create("evil", files)
        self.assertFalse(os.path.exists("/tmp/shardgate-evil.js"))
        with self.refused("InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"):
            self.create("bomb", {"zeros": b"\0" * (251 << 20)})
        whole = zipped({"index.js": CODE})
        for code in (b"no zip", whole[:-30], whole[30:]):
            with self.refused("InvalidParameterValueException", unreadable):
                self.create("broken", Code={"ZipFile": code})
        with self.refused("ResourceNotFoundException"):
            self.functions.get_function(FunctionName="evil")
        known = set(before)
        for function in self.functions.list_functions()["Functions"]:
            known.add(base64.b64decode(function["CodeSha256"]).hex())
        self.assertLessEqual(unpacked(), known)

    def test_a_request_has_a_limit(self):
        with self.refused(
            "RequestEntityTooLargeException",
            "Request must be smaller than 70167211 bytes for the CreateFunction operation",
            413,
        ):
            self.create("huge", Code={"ZipFile": os.urandom(53 << 20)})

    def test_versions_and_aliases(self):
        self.create("versions")
        first = self.status(self.functions.publish_version(FunctionName="versions"), 201)
        self.assertEqual(first["Version"], "1")
        self.functions.update_function_code(FunctionName="versions", ZipFile=zipped({"a.js": CODE}))
        self.functions.publish_version(FunctionName="versions", Description="second")
        listed = self.functions.list_versions_by_function(FunctionName="versions")["Versions"]
        self.assertEqual([one["Version"] for one in listed], ["$LATEST", "1", "2"])
        self.assertEqual(listed[1]["CodeSha256"], first["CodeSha256"])

        alias = self.functions.create_alias(FunctionName="versions", Name="live", FunctionVersion="1")
        self.assertEqual(alias["AliasArn"], arn("versions", "live"))
        got = self.functions.get_function_configuration(FunctionName="versions", Qualifier="live")
        self.assertEqual((got["Version"], got["FunctionArn"]), ("1", arn("versions", "live")))
        self.functions.update_alias(FunctionName="versions", Name="live", FunctionVersion="2")
        self.assertEqual(self.functions.get_alias(FunctionName="versions", Name="live")["FunctionVersion"], "2")
        with self.refused("ResourceConflictException", f"Alias already exists: {arn('versions', 'live')}"):
            self.functions.create_alias(FunctionName="versions", Name="live", FunctionVersion="1")
        with self.refused("ResourceConflictException"):
            self.functions.delete_function(FunctionName="versions", Qualifier="2")
        self.functions.delete_function(FunctionName=arn("versions", "1"))
        aliases = self.functions.list_aliases(FunctionName="versions")["Aliases"]
        self.assertEqual([one["Name"] for one in aliases], ["live"])
        self.status(self.functions.delete_alias(FunctionName="versions", Name="live"), 204)
        with self.refused("ResourceNotFoundException", status=404):
            self.functions.get_alias(FunctionName="versions", Name="live")

    def test_permissions(self):
        self.create("guarded")
        source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:a1b2c3/*/GET/pets"
        permission = {
            "FunctionName": "guarded", "StatementId": "gateway", "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com", "SourceArn": source,
        }
        answer = self.status(self.functions.add_permission(**permission), 201)
        statement = {
            "Sid": "gateway", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": arn("guarded"),
            "Condition": {"ArnLike": {"AWS:SourceArn": source}},
        }
        self.assertEqual(json.loads(answer["Statement"]), statement)
        policy = json.loads(self.functions.get_policy(FunctionName="guarded")["Policy"])
        self.assertEqual(policy, {"Version": "2012-10-17", "Id": "default", "Statement": [statement]})
        with self.refused("ResourceConflictException", status=409):
            self.functions.add_permission(**permission)
        self.status(self.functions.remove_permission(FunctionName="guarded", StatementId="gateway"), 204)
        with self.refused("ResourceNotFoundException", "The resource you requested does not exist."):
            self.functions.get_policy(FunctionName="guarded")

    def test_lists_have_pages(self):
        names = [f"page-{number}" for number in range(7)]
        for name in names:
            self.create(name)
        found, count = pages(
            lambda **page: {
                key.replace("NextMarker", "Marker"): value
                for key, value in self.functions.list_functions(**page).items()
            },
            "Functions", "Marker", "MaxItems", 3,
        )
        listed = [one["FunctionName"] for one in found]
        self.assertEqual(sorted(listed), listed)
        self.assertLessEqual(set(names), set(listed))
        self.assertGreaterEqual(count, 3)
        by_paginator = self.functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
        self.assertEqual([one["FunctionName"] for page in by_paginator for one in page["Functions"]], listed)

    def test_concurrency_tags_and_account(self):
        self.create("kept", Tags={"team": "a"})
        self.functions.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=5)
        got = self.functions.get_function(FunctionName="kept")
        self.assertEqual(got["Concurrency"], {"ReservedConcurrentExecutions": 5})
        self.assertEqual(got["Tags"], {"team": "a"})
        self.functions.tag_resource(Resource=arn("kept"), Tags={"stage": "b"})
        self.functions.untag_resource(Resource=arn("kept"), TagKeys=["team"])
        self.assertEqual(self.functions.list_tags(Resource=arn("kept"))["Tags"], {"stage": "b"})
        self.status(self.functions.delete_function_concurrency(FunctionName="kept"), 204)
        got = self.functions.get_function_concurrency(FunctionName="kept")
        self.assertNotIn("ReservedConcurrentExecutions", got)
        self.assertGreaterEqual(self.functions.get_account_settings()["AccountUsage"]["FunctionCount"], 1)

    def test_what_invoke_refuses(self):
        self.create("called")
        with self.refused("ResourceNotFoundException", f"Function not found: {arn('missing')}", 404):
            self.functions.invoke(FunctionName="missing")
        with self.refused("InvalidRequestContentException", status=400):
            self.functions.invoke(FunctionName="called", Payload=b"{no json")
        with self.refused("ValidationException", status=400):
            self.functions.invoke(FunctionName="called", InvocationType="Later")
        with self.refused("InvalidRequestContentException", status=400):
            self.functions.invoke(FunctionName="called", ClientContext="!")
        dry = self.functions.invoke(FunctionName="called", InvocationType="DryRun")
        self.assertEqual((dry["StatusCode"], dry["Payload"].read()), (204, b""))

    def test_a_call_with_a_response_stream(self):
        code = """exports.handler = async (event) => {
            if (event.fails) throw new TypeError('as told');
            return 'x'.repeat(event.length);
        };"""
        self.create("streamed", {"index.js": code})

        def events(**payload):
            answer = self.functions.invoke_with_response_stream(
                FunctionName="streamed", Payload=json.dumps(payload).encode()
            )
            self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
            self.assertEqual(answer["ResponseStreamContentType"], "application/vnd.amazon.eventstream")
            return list(answer["EventStream"])

        *chunks, end = events(length=200_000)
        payload = b"".join(one["PayloadChunk"]["Payload"] for one in chunks)
        self.assertEqual(json.loads(payload), "x" * 200_000)
        self.assertGreater(len(chunks), 1)
        self.assertEqual(end, {"InvokeComplete": {}})
        [end] = events(fails=True)
        self.assertEqual(end["InvokeComplete"]["ErrorCode"], "Unhandled")
        details = json.loads(end["InvokeComplete"]["ErrorDetails"])
        self.assertEqual((details["errorType"], details["errorMessage"]), ("TypeError", "as told"))
        dry = self.functions.invoke_with_response_stream(FunctionName="streamed", InvocationType="DryRun")
        self.assertEqual(dry["StatusCode"], 204)
        with self.refused("ResourceNotFoundException", f"Function not found: {arn('missing')}", 404):
            self.functions.invoke_with_response_stream(FunctionName="missing")
        with self.refused("InvalidRequestContentException", status=400):
            self.functions.invoke_with_response_stream(FunctionName="streamed", Payload=b"{no json")
        with self.refused("ValidationException", status=400):
            self.functions.invoke_with_response_stream(FunctionName="streamed", InvocationType="Event")

    def test_regions_are_apart(self):
        self.create("here")
        other = client("lambda", region="eu-west-1")
        with self.refused("ResourceNotFoundException"):
            other.get_function(FunctionName="here")
        with self.refused("ResourceNotFoundException"):
            other.get_function(FunctionName=arn("here"))

    def test_the_audit_log_has_no_code_and_no_variables(self):
        self.create("audited", Environment={"Variables": {"SECRET": "hunter2"}})
        with open(os.environ["SHARDGATE_AUDIT_LOG"]) as log:
            lines = [line for line in log if '"audited"' in line]
        events = [json.loads(line) for line in lines]
        made = next(event for event in events if event["eventName"] == "CreateFunction")
        self.assertEqual(made["eventSource"], "lambda.amazonaws.com")
        self.assertEqual(made["requestParameters"]["Code"], {})
        self.assertEqual(made["requestParameters"]["FunctionName"], "audited")
        self.assertNotIn("hunter2", "".join(lines))

    def test_the_commands_of_the_guides(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "function.zip")
            path.write_bytes(zipped({"index.js": CODE}))
            run = self.run_command
            made = run(
                "create-function", "--function-name", "my-function", "--runtime", "nodejs22.x",
                "--zip-file", f"fileb://{path}", "--handler", "index.handler", "--role", ROLE,
            )
            self.addCleanup(self.remove, "my-function")
            self.assertEqual(made["FunctionArn"], arn("my-function"))
            run("update-function-code", "--function-name", "my-function", "--zip-file", f"fileb://{path}")
            run("wait", "function-updated", "--function-name", "my-function")
        run(
            "add-permission", "--function-name", "my-function", "--statement-id", "apigateway-get",
            "--action", "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com",
            "--source-arn", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:a1/*/GET/",
        )
        run("publish-version", "--function-name", "my-function")
        run("create-alias", "--function-name", "my-function", "--name", "live", "--function-version", "1")
        listed = run("list-functions")["Functions"]
        self.assertIn("my-function", [one["FunctionName"] for one in listed])
        run("delete-function", "--function-name", "my-function")

    def run_command(self, *words):
        code, out, error = aws("lambda", *words)
        self.assertEqual(code, 0, error)
        return json.loads(out) if out.strip() else {}


if __name__ == "__main__":
    main()
