"""What answers of REST APIs hold, and what they leave out, as AWS was recorded to do."""

import json

from support import ACCOUNT, Case, main, patch

FUNCTION = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:111111111111:function:f/invocations"
)
BALANCER = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/n/1"
JSON = "application/json"


class Answers(Case):
    def members(self, answer, names):
        self.assertEqual(set(answer) - {"ResponseMetadata"}, set(names.split()))

    def method(self):
        api, root = self.rest_api()
        at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
        return at, self.v1.put_method(**at, authorizationType="none")


class Tags(Answers):
    def check(self, made, get, listed, update):
        """Without tags there are none in what is made and listed, and `{}` in what is got and changed."""
        self.assertNotIn("tags", made)
        self.assertEqual(get()["tags"], {})
        self.assertNotIn("tags", listed()["items"][0])
        self.assertEqual(update(patchOperations=patch("replace", "/name", "new"))["tags"], {})

    def test_of_each_kind(self):
        v1 = self.v1
        api = v1.create_rest_api(name="n")
        at = {"restApiId": api["id"]}
        self.check(api, lambda: v1.get_rest_api(**at), v1.get_rest_apis, lambda **more: v1.update_rest_api(**at, **more))
        key = v1.create_api_key(name="n")
        at = {"apiKey": key["id"]}
        self.check(key, lambda: v1.get_api_key(**at), v1.get_api_keys, lambda **more: v1.update_api_key(**at, **more))
        plan = v1.create_usage_plan(name="n")
        at = {"usagePlanId": plan["id"]}
        self.check(
            plan, lambda: v1.get_usage_plan(**at), v1.get_usage_plans, lambda **more: v1.update_usage_plan(**at, **more)
        )
        link = v1.create_vpc_link(name="n", targetArns=[BALANCER])
        at = {"vpcLinkId": link["id"]}
        self.check(link, lambda: v1.get_vpc_link(**at), v1.get_vpc_links, lambda **more: v1.update_vpc_link(**at, **more))

    def test_stages_show_tags_only_where_there_are_some(self):
        api, _, _ = self.deployed_rest_api()
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/prod"
        get = lambda: self.v1.get_stage(restApiId=api, stageName="prod")
        self.assertNotIn("tags", get())
        self.v1.tag_resource(resourceArn=arn, tags={"a": "b"})
        self.assertEqual(get()["tags"], {"a": "b"})
        self.v1.untag_resource(resourceArn=arn, tagKeys=["a"])
        self.assertNotIn("tags", get())


class RestApis(Answers):
    def test_what_becomes_private_is_dual_stack(self):
        api, _ = self.rest_api()
        changed = self.v1.update_rest_api(
            restApiId=api, patchOperations=patch("replace", "/endpointConfiguration/types/EDGE", "PRIVATE")
        )
        self.assertEqual(changed["endpointConfiguration"], {"types": ["PRIVATE"], "ipAddressType": "dualstack"})

    def test_a_media_type_that_replaces_another_comes_last(self):
        api = self.v1.create_rest_api(name="n", binaryMediaTypes=["a/b", "c/d"])["id"]
        changed = self.v1.update_rest_api(
            restApiId=api, patchOperations=patch("replace", "/binaryMediaTypes/a~1b", "e/f")
        )
        self.assertEqual(changed["binaryMediaTypes"], ["c/d", "e/f"])

    def test_a_policy_is_quoted_once_more(self):
        statement = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": ["execute-api:/*"]}]}
        api = self.v1.create_rest_api(name="n", policy=json.dumps(policy))["id"]
        shown = self.v1.get_rest_api(restApiId=api)["policy"]
        arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/*"
        policy["Statement"][0]["Resource"] = arn
        self.assertEqual(json.loads(json.loads(f'"{shown}"')), policy)

    def test_what_terraform_replaces(self):
        api, _ = self.rest_api(policy='{"Version": "2012-10-17", "Statement": []}')
        changes = patch("replace", "/endpointConfiguration/types/0", "REGIONAL") + patch("replace", "/policy", "")
        changed = self.v1.update_rest_api(restApiId=api, patchOperations=changes)
        self.assertEqual(changed["endpointConfiguration"]["types"], ["REGIONAL"])
        self.assertNotIn("policy", changed)

    def test_empty_descriptions_are_not_shown(self):
        api, _ = self.rest_api()
        made = self.v1.create_model(
            restApiId=api, name="M", contentType=JSON, schema='{"type": "object"}', description=""
        )
        self.members(made, "id name contentType schema")


class Methods(Answers):
    def test_methods(self):
        at, made = self.method()
        self.assertEqual(made["authorizationType"], "NONE")
        self.members(made, "httpMethod authorizationType apiKeyRequired")
        update = lambda *operations: self.v1.update_method(**at, patchOperations=sum(operations, []))
        # What is not true is false, and no authorizer is named where none is asked.
        changed = update(patch("replace", "/apiKeyRequired", "perhaps"), patch("replace", "/authorizerId", "x"))
        self.assertIs(changed["apiKeyRequired"], False)
        self.members(changed, "httpMethod authorizationType apiKeyRequired")
        update(patch("add", "/requestModels/application~1json", "Empty"))
        changed = update(patch("remove", "/requestModels/application~1json"))
        self.members(changed, "httpMethod authorizationType apiKeyRequired")

    def test_tables_that_were_given_empty_stay(self):
        at, _ = self.method()
        made = self.v1.put_method_response(**at, statusCode="200", responseModels={}, responseParameters={})
        self.assertEqual((made["responseModels"], made["responseParameters"]), ({}, {}))
        header = "/responseParameters/method.response.header.h"
        update = lambda operations: self.v1.update_method_response(**at, statusCode="200", patchOperations=operations)
        changed = update(patch("add", header, "true"))
        self.assertEqual(changed["responseModels"], {})
        self.members(update(patch("remove", header)), "statusCode responseModels")

    def test_mocks_have_no_address(self):
        at, _ = self.method()
        made = self.v1.put_integration(**at, type="MOCK", uri="http://backend.example/")
        self.members(made, "type passthroughBehavior timeoutInMillis cacheNamespace cacheKeyParameters")

    def test_templates_may_be_null(self):
        at, _ = self.method()
        self.v1.put_integration(**at, type="MOCK", requestTemplates={JSON: '{"statusCode": 200}'})
        for template in (None, ""):
            made = self.v1.put_integration_response(
                **at, statusCode="200", selectionPattern="", responseTemplates={JSON: template}
            )
            self.assertEqual((made["responseTemplates"], made["selectionPattern"]), ({JSON: None}, ""))
        made = self.v1.put_integration_response(**at, statusCode="200", responseTemplates={})
        self.assertEqual(made["responseTemplates"], {})
        self.v1.create_deployment(restApiId=at["restApiId"], stageName="prod")


class PartsOfAnApi(Answers):
    def test_gateway_responses_begin_with_their_defaults(self):
        api, _ = self.rest_api()
        put = lambda kind, **more: self.v1.put_gateway_response(restApiId=api, responseType=kind, **more)
        default = {JSON: '{"message":$context.error.messageString}'}
        made = put("THROTTLED", statusCode="420")
        self.assertEqual((made["responseTemplates"], made["responseParameters"]), (default, {}))
        made = put("THROTTLED", responseParameters={"gatewayresponse.header.a": "'b'"})
        self.assertEqual((made["responseTemplates"], made["statusCode"]), (default, "429"))

    def test_a_gateway_response_for_all_is_shown_for_each(self):
        api, _ = self.rest_api()
        given = {"statusCode": "555", "responseTemplates": {JSON: "t"}, "responseParameters": {}}
        self.v1.put_gateway_response(restApiId=api, responseType="DEFAULT_5XX", **given)
        self.v1.put_gateway_response(restApiId=api, responseType="AUTHORIZER_FAILURE")
        shown = {one["responseType"]: one for one in self.v1.get_gateway_responses(restApiId=api)["items"]}
        kind = "API_CONFIGURATION_ERROR"
        self.assertEqual(shown[kind], {**given, "responseType": kind, "defaultResponse": True})
        self.assertEqual(shown["AUTHORIZER_FAILURE"]["statusCode"], "500")
        self.assertEqual(shown["THROTTLED"]["statusCode"], "429")
        self.assertNotIn("statusCode", shown["DEFAULT_4XX"])

    def test_authorizers_show_the_lifetime_that_was_given(self):
        api, _ = self.rest_api()
        make = lambda name, **more: self.v1.create_authorizer(
            restApiId=api, name=name, type="TOKEN", authorizerUri=FUNCTION, **more
        )
        self.members(make("a"), "id name type authType authorizerUri identitySource")
        self.assertEqual(make("b", authorizerResultTtlInSeconds=0)["authorizerResultTtlInSeconds"], 0)

    def test_a_validator_without_a_value_checks_nothing(self):
        api, _ = self.rest_api()
        made = self.v1.create_request_validator(restApiId=api, name="v", validateRequestBody=True)
        changed = self.v1.update_request_validator(
            restApiId=api, requestValidatorId=made["id"], patchOperations=patch("replace", "/validateRequestBody")
        )
        self.assertIs(changed["validateRequestBody"], False)


class Stages(Answers):
    def test_members(self):
        api, _, _ = self.deployed_rest_api()
        self.members(
            self.v1.get_stage(restApiId=api, stageName="prod"),
            "stageName deploymentId createdDate lastUpdatedDate methodSettings tracingEnabled cacheClusterEnabled "
            "cacheClusterStatus",
        )

    def test_what_terraform_empties_is_not_shown(self):
        api, _, _ = self.deployed_rest_api()
        names = ["clientCertificateId", "documentationVersion", "description"]
        changes = sum((patch("replace", f"/{name}", "") for name in names), [])
        changed = self.v1.update_stage(restApiId=api, stageName="prod", patchOperations=changes)
        self.assertEqual(set(names) & set(changed), set())

    def test_settings_of_a_method_begin_with_those_of_all(self):
        api, _, _ = self.deployed_rest_api()
        update = lambda *operations: self.v1.update_stage(
            restApiId=api, stageName="prod", patchOperations=sum(operations, [])
        )["methodSettings"]
        settings = update(
            patch("replace", "/*/*/caching/enabled", "true"), patch("replace", "/pets/GET/throttling/burstLimit", "7")
        )
        self.assertEqual(settings["pets/GET"], {**settings["*/*"], "throttlingBurstLimit": 7})
        self.assertIs(settings["pets/GET"]["cachingEnabled"], True)
        settings = update(patch("replace", "/*/*/caching/enabled", "false"))
        self.assertIs(settings["pets/GET"]["cachingEnabled"], True)


class KeysAndPlans(Answers):
    def test_the_newest_key_comes_first(self):
        plan = self.v1.create_usage_plan(name="p")["id"]
        names = [f"newest{number}" for number in range(4)]
        for name in names:
            key = self.v1.create_api_key(name=name)
            self.members(key, "id name value enabled createdDate lastUpdatedDate stageKeys")
            self.v1.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        listed = lambda answer: [one["name"] for one in answer["items"]]
        first = self.v1.get_api_keys(nameQuery="newest", limit=3)
        rest = self.v1.get_api_keys(nameQuery="newest", limit=3, position=first["position"])
        self.assertEqual(listed(first) + listed(rest), names[::-1])
        self.assertEqual(listed(self.v1.get_usage_plan_keys(usagePlanId=plan)), names[::-1])
        self.assertEqual(self.v1.get_usage_plan_keys(usagePlanId="nothing")["items"], [])

    def test_a_quota_has_an_offset(self):
        plan = self.v1.create_usage_plan(name="p", quota={"limit": 5, "period": "MONTH"})
        self.assertEqual(plan["quota"], {"limit": 5, "period": "MONTH", "offset": 0})

    def test_a_link_is_there_when_it_is_asked_for_again(self):
        made = self.status(self.v1.create_vpc_link(name="l", targetArns=[BALANCER]), 202)
        self.members(made, "id name status targetArns")
        self.assertEqual(made["status"], "PENDING")
        got = self.v1.get_vpc_link(vpcLinkId=made["id"])
        self.assertEqual((got["status"], got["statusMessage"]), ("AVAILABLE", "Your vpc link is ready for use"))


if __name__ == "__main__":
    main()
