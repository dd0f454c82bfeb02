"""Mistakes, and the code, status and message that AWS was recorded to answer each with."""

from support import ACCOUNT, Case, main, patch

BAD = "BadRequestException"
MISSING = "NotFoundException"
CONFLICT = "ConflictException"
INVALID = "ValidationException"
NOTHING = "Please choose supported operations"


class RestApis(Case):
    def test_create(self):
        for message, arguments in (
            ("Name cannot be empty", {"name": ""}),
            ("Description cannot be an empty string", {"name": "n", "description": ""}),
            (
                "Invalid minimum compression size, must be between 0 and 10485760",
                {"name": "n", "minimumCompressionSize": 10485761},
            ),
            (
                "Invalid minimum compression size, must be between 0 and 10485760",
                {"name": "n", "minimumCompressionSize": -1},
            ),
            (
                "Cannot create an api with multiple Endpoint Types.",
                {"name": "n", "endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
            ),
            (
                "Only dualstack ipAddressType is supported for Private APIs.",
                {"name": "n", "endpointConfiguration": {"types": ["PRIVATE"], "ipAddressType": "ipv4"}},
            ),
            (
                "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
                {"name": "n", "endpointConfiguration": {"types": []}},
            ),
            ("Invalid REST API identifier specified", {"name": "n", "cloneFrom": "nothing"}),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.create_rest_api(**arguments)
        one = (
            "Value '[wrong]' at 'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, REGIONAL]]"
        )
        other = (
            "Value 'wrong' at 'createRestApiInput.endpointConfiguration.ipAddressType' failed to satisfy "
            "constraint: Member must satisfy enum value set: [ipv4, dualstack]"
        )
        with self.refused(INVALID, f"1 validation error detected: {one}", 400):
            self.v1.create_rest_api(name="n", endpointConfiguration={"types": ["wrong"]})
        with self.refused(INVALID, f"2 validation errors detected: {one}; {other}", 400):
            self.v1.create_rest_api(
                name="n", endpointConfiguration={"types": ["wrong"], "ipAddressType": "wrong"}
            )

    def test_update(self):
        api, _ = self.rest_api()
        enum = "failed to satisfy constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]"
        for count in (1, 2, 3):
            broken = [
                f"Value 'wrong' at 'updateRestApiInput.patchOperations.{number}.member.op' {enum}"
                for number in range(1, count + 1)
            ]
            noun = "error" if count == 1 else "errors"
            with self.refused(INVALID, f"{count} validation {noun} detected: " + "; ".join(broken), 400):
                self.v1.update_rest_api(restApiId=api, patchOperations=patch("wrong", "/name") * count)
        for message, operation in (
            ("Invalid patch path /binaryMediaTypes", patch("replace", "/binaryMediaTypes", "a/b")),
            ("Invalid patch path /wrongPath", patch("replace", "/wrongPath", "x")),
            (
                "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
                patch("replace", "/endpointConfiguration/types/EDGE", "WRONG"),
            ),
            (
                "ipAddressType must be either ipv4 or dualstack.",
                patch("replace", "/endpointConfiguration/ipAddressType", "wrong"),
            ),
            (
                "Invalid patch operation specified. Must be 'add'|'remove'|'replace'",
                patch("copy", "/name", source="/description"),
            ),
            ("Invalid patch path null", [{"op": "replace", "value": "x"}]),
            (
                "Invalid minimum compression size, must be between 0 and 10485760",
                patch("replace", "/minimumCompressionSize", "many"),
            ),
            (
                "Invalid patch operation specified. Must be one of: [replace]",
                patch("add", "/minimumCompressionSize", "1"),
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.update_rest_api(restApiId=api, patchOperations=operation)
        self.assertEqual(self.v1.get_rest_api(restApiId=api)["name"], "test")

    def test_values_of_another_type(self):
        with self.refused(
            "SerializationException", "class java.lang.Boolean can not be converted to an String", 400
        ):
            self.v1.create_rest_api(name=True)
        with self.refused(
            "SerializationException",
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String",
            400,
        ):
            self.v1.create_rest_api(name=5)


class WithoutAnApi(Case):
    """What is said of an API that is not there depends on what is asked for."""

    def test_single_parts_are_missing_themselves(self):
        at, v1 = {"restApiId": "nothing"}, self.v1
        method = {**at, "resourceId": "r", "httpMethod": "GET"}
        for message, operation in (
            ("Invalid Resource identifier specified", lambda: v1.get_resource(**at, resourceId="r")),
            ("Invalid Resource identifier specified", lambda: v1.get_method(**method)),
            ("Invalid Resource identifier specified", lambda: v1.put_method(**method, authorizationType="NONE")),
            ("Invalid Resource identifier specified", lambda: v1.update_method(**method, patchOperations=[])),
            ("Invalid Resource identifier specified", lambda: v1.get_integration(**method)),
            ("Invalid Resource identifier specified", lambda: v1.put_integration_response(**method, statusCode="200")),
            ("Invalid model name specified: M", lambda: v1.get_model(**at, modelName="M")),
            ("Invalid model name specified: M", lambda: v1.delete_model(**at, modelName="M")),
            (
                "Invalid Request Validator identifier specified",
                lambda: v1.delete_request_validator(**at, requestValidatorId="v"),
            ),
            (
                "Invalid Documentation part identifier specified",
                lambda: v1.update_documentation_part(**at, documentationPartId="p", patchOperations=[]),
            ),
        ):
            with self.subTest(message), self.refused(MISSING, message, 404):
                operation()

    def test_lists_and_gateway_responses_say_that_it_is_missing(self):
        at, v1 = {"restApiId": "nothing"}, self.v1
        for operation in (
            lambda: v1.get_models(**at),
            lambda: v1.get_authorizers(**at),
            lambda: v1.get_request_validators(**at),
            lambda: v1.get_documentation_parts(**at),
            lambda: v1.get_gateway_response(**at, responseType="THROTTLED"),
            lambda: v1.delete_gateway_response(**at, responseType="THROTTLED"),
            lambda: v1.delete_documentation_part(**at, documentationPartId="p"),
            lambda: v1.create_model(**at, name="M", contentType="application/json", schema='{"type": "object"}'),
            lambda: v1.create_documentation_part(**at, location={"type": "API"}, properties='{"a": "b"}'),
        ):
            with self.refused(MISSING, f"Invalid API identifier specified {ACCOUNT}:nothing", 404):
                operation()

    def test_what_is_made_in_it_has_words_of_its_own(self):
        with self.refused(BAD, "Invalid REST API identifier specified", 400):
            self.v1.create_request_validator(restApiId="nothing", name="v")
        uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
        message = "Unable to complete operation due to concurrent modification. Please try again later."
        with self.refused(CONFLICT, message, 409):
            self.v1.create_authorizer(restApiId="nothing", name="a", type="TOKEN", authorizerUri=uri)


class Resources(Case):
    def test_create(self):
        api, root = self.rest_api()
        make = lambda parent, part: self.v1.create_resource(restApiId=api, parentId=parent, pathPart=part)
        make(root, "pets")
        proxy = make(root, "{proxy+}")["id"]
        with self.refused(CONFLICT, "Another resource with the same parent already has this name: pets", 409):
            make(root, "pets")
        with self.refused(
            BAD,
            "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed",
            400,
        ):
            make(root, "{id}")
        with self.refused(
            BAD, "Cannot create a child of a resource with a greedy path variable: {proxy+}", 400
        ):
            make(proxy, "x")
        with self.refused(MISSING, "Invalid Resource identifier specified", 404):
            make("nothing", "x")
        with self.refused(MISSING, "Invalid Resource identifier specified", 404):
            self.v1.create_resource(restApiId="nothing", parentId=root, pathPart="x")

    def test_update(self):
        api, root = self.rest_api()
        parent = self.v1.create_resource(restApiId=api, parentId=root, pathPart="a")["id"]
        child = self.v1.create_resource(restApiId=api, parentId=parent, pathPart="b")["id"]
        paths = "Must be one of: [/parentId, /pathPart]"
        for resource, message, operation in (
            (child, f"Invalid patch path  '/invalid' specified for op 'replace'. {paths}", patch("replace", "/invalid", "x")),
            (child, f"Invalid patch path  '/pathPart' specified for op 'add'. {NOTHING}", patch("add", "/pathPart", "x")),
            (child, f"Invalid patch path  '/pathPart' specified for op 'remove'. {NOTHING}", patch("remove", "/pathPart")),
            (root, "Root resource cannot update its pathPart.", patch("replace", "/pathPart", "x")),
            (root, "Root resource cannot update its parentId.", patch("replace", "/parentId", child)),
            (parent, "Resources cannot be cyclical.", patch("replace", "/parentId", child)),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.update_resource(restApiId=api, resourceId=resource, patchOperations=operation)


class Methods(Case):
    def setUp(self):
        api, root = self.rest_api()
        self.at = {"restApiId": api, "resourceId": root, "httpMethod": "ANY"}

    def test_put_method(self):
        put = lambda **more: self.v1.put_method(**{**self.at, "authorizationType": "NONE", **more})
        for message, arguments in (
            (
                "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
                {"httpMethod": "FETCH"},
            ),
            ("Invalid model identifier specified: petModel", {"requestModels": {"application/json": "petModel"}}),
            ("Invalid Request Validator identifier specified", {"requestValidatorId": "nothing"}),
            (
                "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
                "requires a valid authorizer.",
                {"authorizationType": "CUSTOM"},
            ),
            (
                "Parameter names must be unique across querystring, header and path",
                {"requestParameters": {"method.request.path.a": True, "method.request.header.a": True}},
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                put(**arguments)
        with self.refused(MISSING, "Invalid Method identifier specified", 404):
            self.v1.get_method(**self.at)
        put()
        with self.refused(CONFLICT):
            put()

    def test_update_method(self):
        self.v1.put_method(**self.at, authorizationType="NONE", requestModels={"application/json": "Empty"})
        operations = "Invalid patch operation specified. Must be one of:"
        for code, status, message, operation in (
            (BAD, 400, "Invalid patch path /httpMethod", patch("replace", "/httpMethod", "GET")),
            (BAD, 400, "Invalid patch path /requestParameters", patch("add", "/requestParameters", "x")),
            (BAD, 400, f"{operations} [replace]", patch("add", "/operationName", "x")),
            (BAD, 400, f"{operations} [replace]", patch("remove", "/requestValidatorId")),
            (MISSING, 404, "Content-Type specified was not found", patch("replace", "/requestModels/text~1plain", "Empty")),
            (BAD, 400, "Invalid patch path /requestModels/application/json", patch("add", "/requestModels/application/json", "Empty")),
            (MISSING, 404, "Content-Type specified was not found", patch("remove", "/requestModels/text~1plain")),
            (MISSING, 404, "Invalid parameter name specified", patch("remove", "/requestParameters/method.request.header.x")),
        ):
            with self.subTest(message), self.refused(code, message, status):
                self.v1.update_method(**self.at, patchOperations=operation)

    def test_models_in_use(self):
        api = self.at["restApiId"]
        schema = '{"type": "object", "properties": {"a": {}}}'
        self.v1.create_model(restApiId=api, name="Pet", contentType="application/json", schema=schema)
        self.v1.put_method(**self.at, authorizationType="NONE", requestModels={"application/json": "Pet"})
        with self.refused(CONFLICT, "Cannot delete model 'Pet', is referenced in method request: //ANY", 409):
            self.v1.delete_model(restApiId=api, modelName="Pet")

    def test_responses(self):
        self.v1.put_method(**self.at, authorizationType="NONE")
        with self.refused(
            INVALID,
            "1 validation error detected: Value 'wrong' at 'statusCode' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [1-5]\\d\\d",
            400,
        ):
            self.v1.put_method_response(**self.at, statusCode="wrong")
        with self.refused(MISSING, "Invalid Response status code specified", 404):
            self.v1.get_method_response(**self.at, statusCode="201")
        self.v1.put_method_response(**self.at, statusCode="201")
        for message, operation in (
            ("Invalid patch path /statusCode", patch("replace", "/statusCode", "202")),
            (
                "Invalid patch path /wrong/method.response.header.my-header",
                patch("add", "/wrong/method.response.header.my-header", "true"),
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.update_method_response(**self.at, statusCode="201", patchOperations=operation)

    def test_put_integration(self):
        at = self.at
        with self.refused(MISSING, "Invalid Method identifier specified", 404):
            self.v1.put_integration(**at, type="MOCK")
        self.v1.put_method(**at, authorizationType="NONE")
        lambda_uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
        stream_uri = (
            "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/f/response-streaming-invocations"
        )
        streamed = {"integrationHttpMethod": "POST", "uri": "http://a.example", "responseTransferMode": "STREAM"}
        for message, arguments in (
            ("Enumeration value for HttpMethod must be non-empty", {"type": "AWS", "uri": lambda_uri}),
            ("Invalid HTTP endpoint specified for URI", {"type": "HTTP", "integrationHttpMethod": "GET", "uri": ""}),
            ("Invalid ARN specified in the request", {"type": "AWS", "integrationHttpMethod": "GET", "uri": "x"}),
            (
                "AWS ARN for integration must contain path or action",
                {"type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:iam::1:role/r"},
            ),
            (
                "AWS ARN for integration must contain path or action",
                {"type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:x/y"},
            ),
            (
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream "
                "invocations.",
                {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/y"},
            ),
            (
                "Validation Result: warnings : [], errors : [Invalid content type specified: 123]",
                {"type": "MOCK", "requestTemplates": {"123": "x"}},
            ),
            (
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping "
                "expression specified: true]",
                {"type": "MOCK", "requestParameters": {"integration.request.header.a": "true"}},
            ),
            ("Timeout should be between 50 ms and 29000 ms", {"type": "MOCK", "timeoutInMillis": 49}),
            ("Timeout should be between 50 ms and 29000 ms", {"type": "MOCK", "timeoutInMillis": 29001}),
            (
                "Timeout should be between 50 ms and 900000 ms",
                {"type": "HTTP_PROXY", "timeoutInMillis": 900001, **streamed},
            ),
            (
                "Invalid ResponseTransferMode. Cannot use ResponseTransferMode BUFFERED for Lambda functions invoked "
                "by InvokeWithResponseStream for AWS_PROXY integrations.",
                {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": stream_uri},
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.put_integration(**at, **arguments)
        with self.refused(
            INVALID,
            "1 validation error detected: Value 'HTTPS_PROXY' at 'putIntegrationInput.type' failed to satisfy "
            "constraint: Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]",
            400,
        ):
            self.v1.put_integration(**at, type="HTTPS_PROXY")
        with self.refused(MISSING, "Invalid Integration identifier specified", 404):
            self.v1.get_integration(**at)


class PartsOfAnApi(Case):
    def test_models(self):
        api, _ = self.rest_api()
        make = lambda **more: self.v1.create_model(
            **{"restApiId": api, "name": "M", "contentType": "application/json", "schema": '{"a": 1}', **more}
        )
        for message, arguments in (
            ("Model name must be non-empty", {"name": ""}),
            ("Model schema must have at least 1 property or array items defined", {"schema": ""}),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                make(**arguments)
        make()
        with self.refused(CONFLICT, "Model name already exists for this REST API", 409):
            make()
        with self.refused(MISSING, "Invalid model name specified: mySchema", 404):
            self.v1.get_model(restApiId=api, modelName="mySchema")
        with self.refused(
            BAD,
            "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]",
            400,
        ):
            self.v1.update_model(restApiId=api, modelName="M", patchOperations=patch("replace", "/name", "N"))

    def test_validators(self):
        api, _ = self.rest_api()
        with self.refused(BAD, "Request Validator name cannot be blank", 400):
            self.v1.create_request_validator(restApiId=api, name=" ")
        with self.refused(MISSING, "Invalid Request Validator identifier specified", 404):
            self.v1.get_request_validator(restApiId=api, requestValidatorId="nothing")
        made = self.v1.create_request_validator(restApiId=api, name="v")["id"]
        paths = "Must be one of: [/name, /validateRequestParameters, /validateRequestBody]"
        for message, operation in (
            (f"Invalid patch path  '/invalidPath' specified for op 'replace'. {paths}", patch("replace", "/invalidPath", "x")),
            (f"Invalid patch path  '/validateRequestBody' specified for op 'add'. {NOTHING}", patch("add", "/validateRequestBody", "true")),
            (f"Invalid patch path  '/validateRequestBody' specified for op 'remove'. {NOTHING}", patch("remove", "/validateRequestBody")),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.update_request_validator(
                    restApiId=api, requestValidatorId=made, patchOperations=operation
                )

    def test_gateway_responses(self):
        api, _ = self.rest_api()
        with self.refused(MISSING, "Gateway response type not defined on api", 404):
            self.v1.delete_gateway_response(restApiId=api, responseType="DEFAULT_4XX")
        with self.refused(INVALID, status=400):
            self.v1.get_gateway_response(restApiId=api, responseType="FAKE_RESPONSE_TYPE")
        template, header = "/responseTemplates/application~1json", "/responseParameters/gatewayresponse.header.h"
        for code, message, operation in (
            (BAD, "Invalid patch path /statusCode", patch("add", "/statusCode", "444")),
            (BAD, "Invalid patch path /statusCode", patch("remove", "/statusCode")),
            (BAD, "Invalid patch path /wrongPath", patch("add", "/wrongPath", "x")),
            (BAD, "Invalid null or empty value in responseTemplates", patch("replace", template)),
            (BAD, "Invalid null or empty value in responseParameters", patch("add", header)),
            (MISSING, "Invalid parameter name specified", patch("replace", header, "'x'")),
        ):
            with self.subTest(message), self.refused(code, message):
                self.v1.update_gateway_response(restApiId=api, responseType="THROTTLED", patchOperations=operation)
        for name in ("responseParameters", "responseTemplates"):
            with self.refused(BAD, f"Invalid null or empty value in {name}", 400):
                self.v1.put_gateway_response(
                    restApiId=api, responseType="THROTTLED", **{name: {"gatewayresponse.header.x": ""}}
                )

    def test_documentation(self):
        api, _ = self.rest_api()
        with self.refused(MISSING, "Invalid Documentation part identifier specified", 404):
            self.v1.get_documentation_part(restApiId=api, documentationPartId="nothing")
        with self.refused(INVALID, status=400):
            self.v1.create_documentation_part(restApiId=api, location={"type": "INVALID"}, properties="{}")
        part = self.v1.create_documentation_part(restApiId=api, location={"type": "API"}, properties="{}")["id"]
        for message, operation in (
            (
                "Invalid patch path  '/invalidPath' specified for op 'replace'. Must be one of: [/properties]",
                patch("replace", "/invalidPath", "x"),
            ),
            (f"Invalid patch path  '/properties' specified for op 'add'. {NOTHING}", patch("add", "/properties", "{}")),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.update_documentation_part(
                    restApiId=api, documentationPartId=part, patchOperations=operation
                )


class Deployments(Case):
    def test_deployments(self):
        api, root, deployment = self.deployed_rest_api()
        content = "Invalid deployment content specified."
        empty = f"{content}Non null and non empty stageName must be provided for canary deployment. Provided value is "
        canary = {"canarySettings": {"percentTraffic": 10.0}}
        for message, arguments in (
            (f"{empty}null", canary),
            (empty, {**canary, "stageName": ""}),
            (
                f"{content}Stage non-existing must already be created before making a canary release deployment",
                {**canary, "stageName": "non-existing"},
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.create_deployment(restApiId=api, **arguments)
        with self.refused(BAD, "Active stages pointing to this deployment must be moved or deleted", 400):
            self.v1.delete_deployment(restApiId=api, deploymentId=deployment)
        with self.refused(BAD, "Deployment id does not exist", 400):
            self.v1.create_stage(restApiId=api, stageName="x", deploymentId="nothing")

    def test_stages(self):
        api, _, _ = self.deployed_rest_api()
        update = lambda operations: self.v1.update_stage(
            restApiId=api, stageName="prod", patchOperations=operations
        )
        for path in ("*/*", "accessLogSettings/*", "accessLogSettings/destinationArn", "canarySettings/badPath"):
            message = f"Cannot remove method setting {path} because there is no method setting for this method "
            with self.subTest(message), self.refused(BAD, message, 400):
                update(patch("remove", f"/{path}"))
        log_paths = "[/accessLogSettings/destinationArn, /accessLogSettings/format]"
        copies = (
            "Valid copy:path are [/deploymentId, /variables] and valid copy:from are "
            "[/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]"
        )
        for message, operation in (
            (f"Invalid accessLogSettings path. Must be one of : {log_paths}", patch("replace", "/accessLogSettings/x", "y")),
            ("Access Log value must not be empty", patch("replace", "/accessLogSettings/destinationArn", "")),
            ("Deployment id does not exist", patch("replace", "/deploymentId", "nothing")),
            ("Invalid add operation with path: /canarySettings/deploymentId", patch("add", "/canarySettings/deploymentId", "x")),
            (
                f"Invalid copy operation with path: /canarySettings/stageVariableOverrides and from /variables. {copies}",
                patch("copy", "/canarySettings/stageVariableOverrides", source="/variables"),
            ),
            (
                "Promotion not available. Canary does not exist.",
                patch("copy", "/deploymentId", source="/canarySettings/deploymentId"),
            ),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                update(operation)
        for path in ("/canarySettings", "/canarySettings/badPath", "/documentation_version", "/tags/tag1"):
            with self.subTest(path), self.refused(BAD, status=400):
                try:
                    update(patch("replace", path, "x"))
                except Exception as error:
                    self.assertIn(f"Invalid method setting path: {path}. Must be one of: [/deploymentId, ", str(error))
                    raise


class KeysAndPlans(Case):
    def test_keys(self):
        for message, arguments in (
            ("API Key value should be at least 20 characters", {"value": "x" * 19}),
            ("API Key value exceeds maximum size of 128 characters", {"value": "x" * 129}),
            ("Invalid API Key name, can be at most 1024 characters.", {"name": "x" * 1025}),
        ):
            with self.subTest(message), self.refused(BAD, message, 400):
                self.v1.create_api_key(**arguments)
        key = self.v1.create_api_key(name="k")["id"]
        with self.refused(
            BAD,
            "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/description, /enabled, /name, "
            "/customerId]",
            400,
        ):
            self.v1.update_api_key(apiKey=key, patchOperations=patch("replace", "/id", "x"))
        with self.refused(BAD, f"Invalid patch path  '/wrong-path' specified for op 'add'. {NOTHING}", 400):
            self.v1.update_api_key(apiKey=key, patchOperations=patch("add", "/wrong-path", "x"))

    def test_plans(self):
        api, _, _ = self.deployed_rest_api()
        with self.refused(MISSING, "Invalid Usage Plan ID specified", 404):
            self.v1.get_usage_plan(usagePlanId="nothing")
        plan = self.v1.create_usage_plan(name="p")["id"]
        add = lambda value: self.v1.update_usage_plan(
            usagePlanId=plan, patchOperations=patch("add", "/apiStages", value)
        )
        with self.refused(BAD, "Invalid API Stage specified", 400):
            add("fakevalue")
        message = f"Invalid API Stage {{api: {api}, stage: fakestagename}} specified for usageplan {plan}"
        with self.refused(MISSING, message, 404):
            add(f"{api}:fakestagename")
        message = f"Invalid API Stage {{api: {api}b, stage: dev}} specified for usageplan {plan}"
        with self.refused(MISSING, message, 404):
            add(f"{api}b:dev")

    def test_others(self):
        with self.refused(MISSING, "Invalid Vpc Link identifier specified", 404):
            self.v1.get_vpc_link(vpcLinkId="nothing")
        with self.refused(BAD, "Invalid ARN. ARN is not well formed invalid-arn", 400):
            self.v1.create_vpc_link(name="l", targetArns=["invalid-arn"])
        with self.refused(BAD, "Name cannot be empty", 400):
            self.v1.create_vpc_link(name="", targetArns=["arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/n/1"])
        with self.refused(BAD, "Invalid ARN. ARN is not well formed invalid-arn", 400):
            self.v1.get_tags(resourceArn="invalid-arn")
        with self.refused("NotImplementedException", status=501):
            self.v1.get_sdk_types()


if __name__ == "__main__":
    main()
