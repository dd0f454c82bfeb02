"""REST APIs by boto3: each resource is made, read, listed, changed and removed."""

import datetime
import os
import json

from support import ACCOUNT, Case, client, main, pages, patch


class RestApis(Case):
    def test_life(self):
        made = self.status(
            self.v1.create_rest_api(name="life", description="d", version="v", tags={"a": "b"}), 201
        )
        self.assertEqual(made["apiKeySource"], "HEADER")
        self.assertEqual(made["endpointConfiguration"], {"types": ["EDGE"], "ipAddressType": "ipv4"})
        self.assertIs(made["disableExecuteApiEndpoint"], False)
        self.assertIsInstance(made["createdDate"], datetime.datetime)
        self.assertRegex(made["id"], "^[a-z0-9]{10}$")
        api = made["id"]
        got = self.v1.get_rest_api(restApiId=api)
        self.assertEqual({**got, "ResponseMetadata": 0}, {**made, "ResponseMetadata": 0})
        changed = self.v1.update_rest_api(
            restApiId=api,
            patchOperations=patch("replace", "/name", "new")
            + patch("add", "/binaryMediaTypes/image~1png")
            + patch("replace", "/minimumCompressionSize", "1024")
            + patch("replace", "/endpointConfiguration/types/EDGE", "REGIONAL")
            + patch("replace", "/disableExecuteApiEndpoint", "True"),
        )
        self.assertEqual(changed["name"], "new")
        self.assertEqual(changed["binaryMediaTypes"], ["image/png"])
        self.assertEqual(changed["minimumCompressionSize"], 1024)
        self.assertEqual(changed["endpointConfiguration"]["types"], ["REGIONAL"])
        self.assertIs(changed["disableExecuteApiEndpoint"], True)
        off = self.v1.update_rest_api(
            restApiId=api, patchOperations=patch("replace", "/minimumCompressionSize", "")
        )
        self.assertNotIn("minimumCompressionSize", off)
        self.status(self.v1.delete_rest_api(restApiId=api), 202)
        with self.refused("NotFoundException", f"Invalid API identifier specified {ACCOUNT}:{api}", 404):
            self.v1.get_rest_api(restApiId=api)

    def test_clone_has_the_same_resources(self):
        api, root = self.rest_api()
        self.v1.create_resource(restApiId=api, parentId=root, pathPart="pets")
        copy = self.v1.create_rest_api(name="copy", cloneFrom=api)["id"]
        paths = sorted(one["path"] for one in self.v1.get_resources(restApiId=copy)["items"])
        self.assertEqual(paths, ["/", "/pets"])

    def test_pages(self):
        region = client("apigateway", region="eu-north-1")
        for number in range(7):
            region.create_rest_api(name=f"n{number}")
        items, count = pages(region.get_rest_apis, "items", "position", "limit", 3)
        self.assertEqual((len({one["id"] for one in items}), count), (7, 3))
        paginator = region.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2})
        self.assertEqual(sum(len(page["items"]) for page in paginator), 7)

    def test_regions_are_apart(self):
        api, _ = self.rest_api()
        with self.refused("NotFoundException"):
            client("apigateway", region="ap-south-1").get_rest_api(restApiId=api)


class Resources(Case):
    def test_tree(self):
        api, root = self.rest_api()
        pets = self.status(
            self.v1.create_resource(restApiId=api, parentId=root, pathPart="pets"), 201
        )["id"]
        pet = self.v1.create_resource(restApiId=api, parentId=pets, pathPart="{id}")
        self.assertEqual((pet["path"], pet["parentId"]), ("/pets/{id}", pets))
        moved = self.v1.update_resource(
            restApiId=api, resourceId=pets, patchOperations=patch("replace", "/pathPart", "animals")
        )
        self.assertEqual(moved["path"], "/animals")
        self.assertEqual(self.v1.get_resource(restApiId=api, resourceId=pet["id"])["path"], "/animals/{id}")
        self.status(self.v1.delete_resource(restApiId=api, resourceId=pets), 202)
        left = self.v1.get_resources(restApiId=api)["items"]
        self.assertEqual([one["path"] for one in left], ["/"])

    def test_methods_are_embedded_on_request(self):
        api, root, _ = self.deployed_rest_api()
        plain = self.v1.get_resources(restApiId=api)["items"][0]
        self.assertEqual(plain["resourceMethods"], {"GET": {}})
        full = self.v1.get_resources(restApiId=api, embed=["methods"])["items"][0]
        self.assertEqual(full["resourceMethods"]["GET"]["methodIntegration"]["type"], "MOCK")


class Methods(Case):
    def test_life(self):
        api, root = self.rest_api()
        at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
        validator = self.v1.create_request_validator(restApiId=api, name="v", validateRequestBody=True)
        method = self.status(
            self.v1.put_method(
                **at,
                authorizationType="NONE",
                requestParameters={"method.request.querystring.q": True},
                requestModels={"application/json": "Empty"},
                requestValidatorId=validator["id"],
            ),
            201,
        )
        self.assertEqual(method["requestParameters"], {"method.request.querystring.q": True})
        self.assertIs(method["apiKeyRequired"], False)
        changed = self.v1.update_method(
            **at,
            patchOperations=patch("replace", "/apiKeyRequired", "true")
            + patch("add", "/requestParameters/method.request.header.h", "false")
            + patch("remove", "/requestModels/application~1json"),
        )
        self.assertIs(changed["apiKeyRequired"], True)
        self.assertEqual(changed["requestParameters"]["method.request.header.h"], False)
        self.assertNotIn("requestModels", changed)

        integration = self.status(
            self.v1.put_integration(
                **at, type="HTTP", integrationHttpMethod="POST", uri="http://backend.example/x"
            ),
            201,
        )
        self.assertEqual(integration["passthroughBehavior"], "WHEN_NO_MATCH")
        self.assertEqual(integration["timeoutInMillis"], 29000)
        self.assertEqual(integration["cacheNamespace"], root)
        self.assertEqual(integration["cacheKeyParameters"], [])
        changed = self.v1.update_integration(
            **at,
            patchOperations=patch("replace", "/timeoutInMillis", "50")
            + patch("add", "/requestTemplates/application~1json", "{}"),
        )
        self.assertEqual(changed["timeoutInMillis"], 50)
        self.assertEqual(changed["requestTemplates"], {"application/json": "{}"})

        header = "method.response.header.x"
        self.status(
            self.v1.put_method_response(**at, statusCode="200", responseParameters={header: False}), 201
        )
        self.status(
            self.v1.put_integration_response(
                **at,
                statusCode="200",
                selectionPattern="2..",
                responseParameters={header: "integration.response.header.y"},
            ),
            201,
        )
        changed = self.v1.update_integration_response(
            **at, statusCode="200", patchOperations=patch("replace", "/selectionPattern", "3..")
        )
        self.assertEqual(changed["selectionPattern"], "3..")
        changed = self.status(
            self.v1.update_method_response(
                **at, statusCode="200", patchOperations=patch("replace", f"/responseParameters/{header}", "true")
            ),
            201,
        )
        self.assertEqual(changed["responseParameters"], {header: True})

        whole = self.v1.get_method(**at)
        self.assertEqual(whole["methodResponses"]["200"]["statusCode"], "200")
        self.assertEqual(whole["methodIntegration"]["integrationResponses"]["200"]["selectionPattern"], "3..")
        self.status(self.v1.delete_integration_response(**at, statusCode="200"), 204)
        self.status(self.v1.delete_method_response(**at, statusCode="200"), 204)
        self.status(self.v1.delete_integration(**at), 204)
        with self.refused("NotFoundException", "Invalid Integration identifier specified", 404):
            self.v1.get_integration(**at)
        self.status(self.v1.delete_method(**at), 204)
        with self.refused("NotFoundException", "Invalid Method identifier specified", 404):
            self.v1.get_method(**at)


class PartsOfAnApi(Case):
    def test_models(self):
        api, _ = self.rest_api()
        names = {one["name"] for one in self.v1.get_models(restApiId=api)["items"]}
        self.assertEqual(names, {"Empty", "Error"})
        schema = json.dumps({"type": "object", "properties": {"a": {"type": "string"}}})
        made = self.status(
            self.v1.create_model(restApiId=api, name="Pet", contentType="application/json", schema=schema), 201
        )
        self.assertEqual(made["schema"], schema)
        changed = self.v1.update_model(
            restApiId=api, modelName="Pet", patchOperations=patch("replace", "/description", "d")
        )
        self.assertEqual(changed["description"], "d")
        self.status(self.v1.delete_model(restApiId=api, modelName="Pet"), 202)
        with self.refused("NotFoundException", "Invalid model name specified: Pet", 404):
            self.v1.get_model(restApiId=api, modelName="Pet")

    def test_validators(self):
        api, _ = self.rest_api()
        made = self.status(self.v1.create_request_validator(restApiId=api, name="v"), 201)
        self.assertEqual((made["validateRequestBody"], made["validateRequestParameters"]), (False, False))
        changed = self.v1.update_request_validator(
            restApiId=api,
            requestValidatorId=made["id"],
            patchOperations=patch("replace", "/validateRequestBody", "true"),
        )
        self.assertIs(changed["validateRequestBody"], True)
        self.assertEqual(len(self.v1.get_request_validators(restApiId=api)["items"]), 1)
        self.status(self.v1.delete_request_validator(restApiId=api, requestValidatorId=made["id"]), 202)

    def test_gateway_responses(self):
        api, _ = self.rest_api()
        self.assertEqual(len(self.v1.get_gateway_responses(restApiId=api)["items"]), 21)
        before = self.v1.get_gateway_response(restApiId=api, responseType="THROTTLED")
        self.assertEqual((before["statusCode"], before["defaultResponse"]), ("429", True))
        made = self.status(
            self.v1.put_gateway_response(
                restApiId=api,
                responseType="THROTTLED",
                statusCode="503",
                responseParameters={"gatewayresponse.header.x": "'y'"},
            ),
            201,
        )
        self.assertEqual((made["statusCode"], made["defaultResponse"]), ("503", False))
        changed = self.v1.update_gateway_response(
            restApiId=api,
            responseType="THROTTLED",
            patchOperations=patch("add", "/responseTemplates/application~1json", '{"a": 1}'),
        )
        self.assertEqual(changed["responseTemplates"], {"application/json": '{"a": 1}'})
        self.status(self.v1.delete_gateway_response(restApiId=api, responseType="THROTTLED"), 202)
        after = self.v1.get_gateway_response(restApiId=api, responseType="THROTTLED")
        self.assertIs(after["defaultResponse"], True)

    def test_authorizers(self):
        api, root = self.rest_api()
        uri = (
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
            "arn:aws:lambda:us-east-1:111111111111:function:f/invocations"
        )
        made = self.status(
            self.v1.create_authorizer(restApiId=api, name="a", type="TOKEN", authorizerUri=uri), 201
        )
        self.assertEqual(made["identitySource"], "method.request.header.Authorization")
        self.assertNotIn("authorizerResultTtlInSeconds", made)
        pool = "arn:aws:cognito-idp:us-east-1:111111111111:userpool/us-east-1_abc123"
        cognito = self.v1.create_authorizer(
            restApiId=api, name="c", type="COGNITO_USER_POOLS", providerARNs=[pool]
        )
        changed = self.v1.update_authorizer(
            restApiId=api, authorizerId=cognito["id"], patchOperations=patch("add", "/providerARNs", pool + "2")
        )
        self.assertEqual(changed["providerARNs"], [pool, pool + "2"])
        self.v1.put_method(
            restApiId=api, resourceId=root, httpMethod="GET", authorizationType="CUSTOM", authorizerId=made["id"]
        )
        with self.refused("ConflictException"):
            self.v1.delete_authorizer(restApiId=api, authorizerId=made["id"])
        self.status(self.v1.delete_authorizer(restApiId=api, authorizerId=cognito["id"]), 202)

    def test_documentation(self):
        api, _ = self.rest_api()
        part = self.status(
            self.v1.create_documentation_part(
                restApiId=api, location={"type": "METHOD", "path": "/pets"}, properties='{"description": "d"}'
            ),
            201,
        )
        self.assertEqual(part["location"], {"type": "METHOD", "path": "/pets", "method": "*"})
        listed = self.v1.get_documentation_parts(restApiId=api, type="METHOD", path="/pets")["items"]
        self.assertEqual([one["id"] for one in listed], [part["id"]])
        self.assertEqual(self.v1.get_documentation_parts(restApiId=api, type="MODEL")["items"], [])
        self.v1.update_documentation_part(
            restApiId=api,
            documentationPartId=part["id"],
            patchOperations=patch("replace", "/properties", '{"description": "e"}'),
        )
        version = self.status(
            self.v1.create_documentation_version(restApiId=api, documentationVersion="1.0"), 201
        )
        self.assertEqual(version["version"], "1.0")
        self.status(self.v1.delete_documentation_version(restApiId=api, documentationVersion="1.0"), 202)
        self.status(self.v1.delete_documentation_part(restApiId=api, documentationPartId=part["id"]), 202)


class Deployments(Case):
    def test_stages_point_to_deployments(self):
        api, root, first = self.deployed_rest_api()
        second = self.status(self.v1.create_deployment(restApiId=api, description="two"), 201)["id"]
        stage = self.v1.get_stage(restApiId=api, stageName="prod")
        self.assertEqual(stage["deploymentId"], first)
        rolled = self.v1.update_stage(
            restApiId=api, stageName="prod", patchOperations=patch("replace", "/deploymentId", second)
        )
        self.assertEqual(rolled["deploymentId"], second)
        summary = self.v1.get_deployment(restApiId=api, deploymentId=first, embed=["apisummary"])
        self.assertEqual(summary["apiSummary"]["/"]["GET"], {"authorizationType": "NONE", "apiKeyRequired": False})
        self.status(self.v1.delete_deployment(restApiId=api, deploymentId=first), 202)
        made = self.status(
            self.v1.create_stage(restApiId=api, stageName="dev", deploymentId=second, variables={"a": "b"}), 201
        )
        self.assertEqual((made["cacheClusterStatus"], made["methodSettings"]), ("NOT_AVAILABLE", {}))
        listed = self.v1.get_stages(restApiId=api, deploymentId=second)["item"]
        self.assertEqual(sorted(one["stageName"] for one in listed), ["dev", "prod"])
        self.status(self.v1.flush_stage_cache(restApiId=api, stageName="dev"), 202)
        self.status(self.v1.delete_stage(restApiId=api, stageName="dev"), 202)

    def test_settings_are_live(self):
        api, _, _ = self.deployed_rest_api()
        stage = self.v1.update_stage(
            restApiId=api,
            stageName="prod",
            patchOperations=patch("replace", "/*/*/throttling/rateLimit", "5.5")
            + patch("replace", "/~1pets/GET/caching/ttlInSeconds", "60")
            + patch("replace", "/variables/x", "y")
            + patch("replace", "/tracingEnabled", "true")
            + patch("replace", "/accessLogSettings/destinationArn", "arn:aws:logs:us-east-1:1:log-group:g")
            + patch("replace", "/accessLogSettings/format", "$context.requestId"),
        )
        self.assertEqual(stage["methodSettings"]["*/*"]["throttlingRateLimit"], 5.5)
        self.assertEqual(stage["methodSettings"]["*/*"]["throttlingBurstLimit"], 5000)
        self.assertEqual(stage["methodSettings"]["~1pets/GET"]["cacheTtlInSeconds"], 60)
        self.assertEqual((stage["variables"], stage["tracingEnabled"]), ({"x": "y"}, True))
        self.assertEqual(stage["accessLogSettings"]["format"], "$context.requestId")
        less = self.v1.update_stage(
            restApiId=api,
            stageName="prod",
            patchOperations=patch("remove", "/*/*") + patch("remove", "/accessLogSettings"),
        )
        self.assertEqual(list(less["methodSettings"]), ["~1pets/GET"])
        self.assertNotIn("accessLogSettings", less)

    def test_a_canary_is_promoted_by_three_patches(self):
        api, _, first = self.deployed_rest_api()
        second = self.v1.create_deployment(
            restApiId=api,
            stageName="prod",
            canarySettings={"percentTraffic": 10.0, "stageVariableOverrides": {"v": "canary"}},
        )["id"]
        stage = self.v1.get_stage(restApiId=api, stageName="prod")
        self.assertEqual((stage["deploymentId"], stage["canarySettings"]["deploymentId"]), (first, second))
        stage = self.v1.update_stage(
            restApiId=api,
            stageName="prod",
            patchOperations=patch("copy", "/deploymentId", source="/canarySettings/deploymentId")
            + patch("copy", "/variables", source="/canarySettings/stageVariableOverrides")
            + patch("remove", "/canarySettings"),
        )
        self.assertEqual((stage["deploymentId"], stage["variables"]), (second, {"v": "canary"}))
        self.assertNotIn("canarySettings", stage)


class KeysAndPlans(Case):
    def test_life(self):
        api, _, _ = self.deployed_rest_api()
        key = self.status(self.v1.create_api_key(name="one", enabled=True), 201)
        self.assertEqual(len(key["value"]), 40)
        self.assertNotIn("value", self.v1.get_api_key(apiKey=key["id"]))
        self.assertEqual(self.v1.get_api_key(apiKey=key["id"], includeValue=True)["value"], key["value"])
        with self.refused("ConflictException"):
            self.v1.create_api_key(value=key["value"])
        listed = self.v1.get_api_keys(nameQuery="on", includeValues=True)["items"]
        self.assertEqual([one["id"] for one in listed], [key["id"]])
        changed = self.v1.update_api_key(apiKey=key["id"], patchOperations=patch("replace", "/enabled", "false"))
        self.assertIs(changed["enabled"], False)

        plan = self.status(
            self.v1.create_usage_plan(
                name="plan",
                apiStages=[{"apiId": api, "stage": "prod"}],
                throttle={"rateLimit": 1000.0, "burstLimit": 500},
                quota={"limit": 10, "period": "DAY"},
            ),
            201,
        )
        member = self.status(
            self.v1.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY"), 201
        )
        self.assertEqual((member["id"], member["type"]), (key["id"], "API_KEY"))
        self.assertEqual(len(self.v1.get_usage_plans(keyId=key["id"])["items"]), 1)
        self.assertEqual(len(self.v1.get_usage_plan_keys(usagePlanId=plan["id"])["items"]), 1)
        changed = self.v1.update_usage_plan(
            usagePlanId=plan["id"],
            patchOperations=patch("replace", "/quota/limit", "20")
            + patch("replace", f"/apiStages/{api}:prod/throttle/~1/GET/rateLimit", "2.5")
            + patch("remove", "/throttle"),
        )
        self.assertEqual(changed["quota"]["limit"], 20)
        self.assertEqual(changed["apiStages"][0]["throttle"], {"//GET": {"rateLimit": 2.5}})
        self.assertNotIn("throttle", changed)
        used = self.v1.update_usage(
            usagePlanId=plan["id"], keyId=key["id"], patchOperations=patch("replace", "/remaining", "7")
        )
        self.assertEqual(used["items"], {key["id"]: [[0, 7]]})
        self.status(self.v1.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"]), 202)
        with self.refused("BadRequestException"):
            self.v1.delete_usage_plan(usagePlanId=plan["id"])
        self.v1.update_usage_plan(usagePlanId=plan["id"], patchOperations=patch("remove", "/apiStages", f"{api}:prod"))
        self.status(self.v1.delete_usage_plan(usagePlanId=plan["id"]), 202)
        self.status(self.v1.delete_api_key(apiKey=key["id"]), 202)


class Region(Case):
    def test_domains_and_mappings_are_shared_by_both_generations(self):
        api, _, _ = self.deployed_rest_api()
        name = "api.example.com"
        made = self.status(
            self.v1.create_domain_name(
                domainName=name,
                regionalCertificateArn="arn:aws:acm:us-east-1:1:certificate/x",
                endpointConfiguration={"types": ["REGIONAL"]},
            ),
            201,
        )
        self.assertEqual((made["domainNameStatus"], made["securityPolicy"]), ("AVAILABLE", "TLS_1_2"))
        self.assertTrue(made["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com"))
        mapping = self.status(
            self.v1.create_base_path_mapping(domainName=name, restApiId=api, stage="prod", basePath="v1"), 201
        )
        self.assertEqual(mapping["basePath"], "v1")
        second = self.v2.get_api_mappings(DomainName=name)["Items"]
        self.assertEqual([(one["ApiMappingKey"], one["ApiId"]) for one in second], [("v1", api)])
        shown = self.v2.get_domain_name(DomainName=name)["DomainNameConfigurations"]
        self.assertEqual(shown[0]["EndpointType"], "REGIONAL")
        moved = self.v1.update_base_path_mapping(
            domainName=name, basePath="v1", patchOperations=patch("replace", "/basePath", "v2")
        )
        self.assertEqual(moved["basePath"], "v2")
        with self.refused("NotFoundException"):
            self.v1.get_base_path_mapping(domainName=name, basePath="v1")
        message = "Please remove all base path mappings related to the API in your account before deleting the API."
        with self.refused("BadRequestException", message, 400):
            self.v1.delete_rest_api(restApiId=api)
        with self.refused("BadRequestException"):
            self.v1.delete_stage(restApiId=api, stageName="prod")
        self.status(self.v1.delete_base_path_mapping(domainName=name, basePath="v2"), 202)
        changed = self.v1.update_domain_name(
            domainName=name, patchOperations=patch("replace", "/securityPolicy", "TLS_1_0")
        )
        self.assertEqual(changed["securityPolicy"], "TLS_1_0")
        self.status(self.v1.delete_domain_name(domainName=name), 202)

    def test_account(self):
        account = self.v1.get_account()
        self.assertEqual(account["throttleSettings"], {"burstLimit": 5000, "rateLimit": 10000.0})
        role = "arn:aws:iam::111111111111:role/logs"
        changed = self.v1.update_account(patchOperations=patch("replace", "/cloudwatchRoleArn", role))
        self.assertEqual(changed["cloudwatchRoleArn"], role)

    def test_imported_certificates(self):
        made = self.status(
            self.v1.create_domain_name(
                domainName="imported.example.com",
                certificateName="imported",
                certificateBody="body",
                certificatePrivateKey="a secret",
                certificateChain="chain",
            ),
            201,
        )
        shown = self.v1.get_domain_name(domainName="imported.example.com")
        for answer in (made, shown):
            self.assertEqual(answer["certificateName"], "imported")
            for hidden in ("certificateBody", "certificatePrivateKey", "certificateChain"):
                self.assertNotIn(hidden, answer)
        self.assertNotIn("a secret", str(self.v2.get_domain_name(DomainName="imported.example.com")))
        self.v1.delete_domain_name(domainName="imported.example.com")

    def test_client_certificates(self):
        made = self.status(self.v1.generate_client_certificate(description="d"), 201)
        self.assertTrue(made["pemEncodedCertificate"].startswith("-----BEGIN CERTIFICATE-----"))
        self.assertNotIn("privateKey", self.v1.get_client_certificate(clientCertificateId=made["clientCertificateId"]))
        self.assertEqual(len(self.v1.get_client_certificates()["items"]), 1)
        self.status(self.v1.delete_client_certificate(clientCertificateId=made["clientCertificateId"]), 202)

    def test_vpc_links(self):
        arn = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/net/n/1"
        made = self.status(self.v1.create_vpc_link(name="l", targetArns=[arn]), 202)
        self.v1.update_vpc_link(vpcLinkId=made["id"], patchOperations=patch("replace", "/name", "m"))
        self.assertEqual(self.v1.get_vpc_link(vpcLinkId=made["id"])["name"], "m")
        api, root = self.rest_api()
        at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
        self.v1.put_method(**at, authorizationType="NONE")
        self.v1.put_integration(
            **at,
            type="HTTP_PROXY",
            integrationHttpMethod="GET",
            uri="http://backend.example/",
            connectionType="VPC_LINK",
            connectionId=made["id"],
        )
        self.v1.create_deployment(restApiId=api, stageName="prod")
        message = (
            f"Cannot delete vpc link. Vpc link '{made['id']}', is referenced in [GET:{root}:prod] in format of "
            "[Method:Resource:Stage]."
        )
        with self.refused("BadRequestException", message, 400):
            self.v1.delete_vpc_link(vpcLinkId=made["id"])
        self.v1.delete_rest_api(restApiId=api)
        self.status(self.v1.delete_vpc_link(vpcLinkId=made["id"]), 202)

    def test_tags(self):
        api, _, _ = self.deployed_rest_api()
        for path in (f"/restapis/{api}", f"/restapis/{api}/stages/prod"):
            arn = f"arn:aws:apigateway:us-east-1::{path}"
            self.status(self.v1.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"}), 204)
            self.status(self.v1.untag_resource(resourceArn=arn, tagKeys=["a", "c"]), 204)
            self.assertEqual(self.v1.get_tags(resourceArn=arn)["tags"], {"b": "2"})

    def test_calls_are_audited(self):
        api = self.v1.create_rest_api(name="tested")
        method = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
        self.v1.put_method(**method, authorizationType="NONE")
        self.v1.put_integration(
            **method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
        )
        self.assertEqual(self.v1.test_invoke_method(**method)["status"], 500)
        self.v1.create_api_key(name="audited", value="s" * 30)
        with open(os.environ["SHARDGATE_AUDIT_LOG"]) as log:
            events = [json.loads(line) for line in log]
        self.assertNotIn("TestInvokeMethod", [one["eventName"] for one in events])
        mine = [one for one in events if one["eventName"] == "CreateApiKey" and "audited" in str(one)]
        self.assertEqual(len(mine), 1)
        self.assertEqual(mine[0]["eventSource"], "apigateway.amazonaws.com")
        self.assertEqual(mine[0]["awsRegion"], "us-east-1")
        self.assertEqual(mine[0]["sourceIPAddress"], "127.0.0.1")
        self.assertNotIn("s" * 30, str(mine[0]))


if __name__ == "__main__":
    main()
