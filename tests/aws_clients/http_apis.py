"""HTTP and WebSocket APIs by boto3: each resource is made, read, listed, changed and removed."""

import datetime

from support import ACCOUNT, Case, main, pages

LAMBDA = "arn:aws:lambda:us-east-1:111111111111:function:f"
AUTHORIZER_URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{LAMBDA}/invocations"


class Http(Case):
    def api(self, protocol="HTTP", **more):
        if protocol == "WEBSOCKET":
            more.setdefault("RouteSelectionExpression", "$request.body.action")
        return self.v2.create_api(Name="test", ProtocolType=protocol, **more)["ApiId"]

    def integration(self, api):
        made = self.v2.create_integration(
            ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", IntegrationUri="http://b.example/"
        )
        return made["IntegrationId"]


class Apis(Http):
    def test_life(self):
        made = self.status(
            self.v2.create_api(
                Name="life",
                ProtocolType="HTTP",
                CorsConfiguration={"AllowOrigins": ["https://a.example"], "MaxAge": 60},
                Tags={"a": "b"},
            ),
            201,
        )
        self.assertEqual(made["RouteSelectionExpression"], "$request.method $request.path")
        self.assertEqual(made["ApiKeySelectionExpression"], "$request.header.x-api-key")
        self.assertIsInstance(made["CreatedDate"], datetime.datetime)
        api = made["ApiId"]
        self.assertEqual(made["ApiEndpoint"], f"https://{api}.execute-api.us-east-1.amazonaws.com")
        changed = self.v2.update_api(ApiId=api, Description="d", DisableExecuteApiEndpoint=True)
        self.assertEqual((changed["Name"], changed["Description"]), ("life", "d"))
        self.status(self.v2.delete_cors_configuration(ApiId=api), 204)
        self.assertNotIn("CorsConfiguration", self.v2.get_api(ApiId=api))
        self.status(self.v2.delete_api(ApiId=api), 204)
        with self.refused("NotFoundException", f"Invalid API identifier specified {ACCOUNT}:{api}", 404):
            self.v2.get_api(ApiId=api)

    def test_what_is_empty_takes_away(self):
        """As Terraform removes what it no longer has."""
        api = self.api(Version="1")
        self.assertNotIn("Version", self.v2.update_api(ApiId=api, Version=""))
        with self.refused("BadRequestException", status=400):
            self.v2.update_api(ApiId=api, Name="")
        integration = self.v2.create_integration(
            ApiId=api,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri="https://backend.example/",
            RequestParameters={"append:header.a": "1", "append:header.b": "2"},
            ResponseParameters={"200": {"overwrite:statuscode": "204"}, "404": {"append:header.a": "1"}},
            TlsConfig={"ServerNameToVerify": "a.example"},
        )["IntegrationId"]
        changed = self.v2.update_integration(
            ApiId=api,
            IntegrationId=integration,
            RequestParameters={"append:header.a": "", "append:header.c": "3"},
            ResponseParameters={"200": {}},
            TlsConfig={},
            PayloadFormatVersion="",
        )
        self.assertEqual(changed["PayloadFormatVersion"], "1.0")
        self.assertEqual(changed["RequestParameters"], {"append:header.b": "2", "append:header.c": "3"})
        self.assertEqual(changed["ResponseParameters"], {"404": {"append:header.a": "1"}})
        self.assertNotIn("TlsConfig", changed)
        route = self.v2.create_route(
            ApiId=api, RouteKey="GET /a", Target=f"integrations/{integration}", OperationName="o"
        )["RouteId"]
        changed = self.v2.update_route(ApiId=api, RouteId=route, Target="", OperationName="")
        self.assertEqual({"Target", "OperationName"} & set(changed), set())
        logs = {"DestinationArn": "arn:aws:logs:us-east-1:1:log-group:g", "Format": "$context.requestId"}
        self.v2.create_stage(
            ApiId=api, StageName="s", AccessLogSettings=logs, StageVariables={"a": "1", "b": "2"}
        )
        changed = self.v2.update_stage(
            ApiId=api,
            StageName="s",
            AccessLogSettings={},
            StageVariables={"a": "", "c": "3"},
            DefaultRouteSettings={"ThrottlingBurstLimit": 2},
        )
        self.assertNotIn("AccessLogSettings", changed)
        self.assertEqual(changed["StageVariables"], {"b": "2", "c": "3"})
        self.assertEqual(
            changed["DefaultRouteSettings"], {"DetailedMetricsEnabled": False, "ThrottlingBurstLimit": 2}
        )

    def test_quick_create(self):
        for target, kind, version in (
            (LAMBDA, "AWS_PROXY", "2.0"),
            ("https://backend.example/", "HTTP_PROXY", "1.0"),
        ):
            api = self.api(Target=target)
            integration = self.v2.get_integrations(ApiId=api)["Items"][0]
            self.assertEqual(
                (integration["IntegrationType"], integration["PayloadFormatVersion"]), (kind, version)
            )
            self.assertIs(integration["ApiGatewayManaged"], True)
            self.assertEqual(integration["IntegrationMethod"], "POST" if kind == "AWS_PROXY" else "ANY")
            route = self.v2.get_routes(ApiId=api)["Items"][0]
            self.assertEqual(
                (route["RouteKey"], route["Target"]),
                ("$default", f"integrations/{integration['IntegrationId']}"),
            )
            stage = self.v2.get_stage(ApiId=api, StageName="$default")
            self.assertEqual((stage["AutoDeploy"], stage["ApiGatewayManaged"]), (True, True))
            deployment = self.v2.get_deployment(ApiId=api, DeploymentId=stage["DeploymentId"])
            self.assertIs(deployment["AutoDeployed"], True)

    def test_pages(self):
        api = self.api()
        for number in range(7):
            self.v2.create_route(ApiId=api, RouteKey=f"GET /r{number}")
        items, count = pages(self.v2.get_routes, "Items", "NextToken", "MaxResults", "3", ApiId=api)
        self.assertEqual((len({one["RouteId"] for one in items}), count), (7, 3))


class Routes(Http):
    def test_life(self):
        api = self.api()
        integration = self.integration(api)
        made = self.status(
            self.v2.create_route(ApiId=api, RouteKey="GET /pets/{id}", Target=f"integrations/{integration}"), 201
        )
        self.assertEqual((made["AuthorizationType"], made["ApiKeyRequired"]), ("NONE", False))
        route = made["RouteId"]
        with self.refused(
            "ConflictException", "Route with key GET /pets/{id} already exists for this API", 409
        ):
            self.v2.create_route(ApiId=api, RouteKey="GET /pets/{id}")
        changed = self.v2.update_route(ApiId=api, RouteId=route, RouteKey="POST /pets")
        self.assertEqual((changed["RouteKey"], changed["Target"]), ("POST /pets", made["Target"]))
        again = self.v2.create_route(ApiId=api, RouteKey="GET /pets/{id}")["RouteId"]
        with self.refused("ConflictException"):
            self.v2.update_route(ApiId=api, RouteId=again, RouteKey="POST /pets")
        with self.refused("ConflictException"):
            self.v2.delete_integration(ApiId=api, IntegrationId=integration)
        self.status(self.v2.delete_route(ApiId=api, RouteId=route), 204)
        self.status(self.v2.delete_integration(ApiId=api, IntegrationId=integration), 204)
        self.v2.create_route(ApiId=api, RouteKey="POST /pets")

    def test_bad_routes_change_nothing(self):
        api = self.api()
        for key in ("", "nonsense", "FETCH /a", "GET a", "GET /{a}/{a}"):
            with self.refused("BadRequestException", status=400):
                self.v2.create_route(ApiId=api, RouteKey=key)
        with self.refused("NotFoundException", status=404):
            self.v2.create_route(ApiId=api, RouteKey="GET /a", Target="integrations/nothing")
        with self.refused("BadRequestException"):
            self.v2.create_route(ApiId=api, RouteKey="GET /a", AuthorizationType="JWT", AuthorizerId="nothing")
        self.assertEqual(self.v2.get_routes(ApiId=api)["Items"], [])

    def test_authorizers(self):
        api = self.api()
        made = self.status(
            self.v2.create_authorizer(
                ApiId=api,
                Name="jwt",
                AuthorizerType="JWT",
                IdentitySource=["$request.header.Authorization"],
                JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["a"]},
            ),
            201,
        )["AuthorizerId"]
        route = self.v2.create_route(
            ApiId=api,
            RouteKey="GET /a",
            AuthorizationType="JWT",
            AuthorizerId=made,
            AuthorizationScopes=["read"],
        )
        self.assertEqual(route["AuthorizationScopes"], ["read"])
        with self.refused("ConflictException"):
            self.v2.delete_authorizer(ApiId=api, AuthorizerId=made)
        changed = self.v2.update_authorizer(ApiId=api, AuthorizerId=made, Name="other")
        self.assertEqual(changed["Name"], "other")
        with self.refused("BadRequestException"):
            self.v2.create_authorizer(
                ApiId=api, Name="f", AuthorizerType="REQUEST", IdentitySource=[], AuthorizerUri=AUTHORIZER_URI
            )
        function = self.v2.create_authorizer(
            ApiId=api,
            Name="f",
            AuthorizerType="REQUEST",
            IdentitySource=["$request.header.a"],
            AuthorizerUri=AUTHORIZER_URI,
            AuthorizerPayloadFormatVersion="2.0",
        )
        self.assertEqual(function["AuthorizerResultTtlInSeconds"], 300)
        self.status(self.v2.delete_authorizer(ApiId=api, AuthorizerId=function["AuthorizerId"]), 204)


class Stages(Http):
    def test_an_api_without_routes_is_not_deployed(self):
        with self.refused(
            "BadRequestException", "Unable to deploy API because no routes exist in this API", 400
        ):
            self.v2.create_deployment(ApiId=self.api())

    def test_deployments(self):
        api = self.api()
        self.v2.create_route(ApiId=api, RouteKey="GET /a")
        first = self.status(self.v2.create_deployment(ApiId=api, Description="one"), 201)
        self.assertEqual((first["DeploymentStatus"], first["AutoDeployed"]), ("DEPLOYED", False))
        stage = self.status(
            self.v2.create_stage(
                ApiId=api, StageName="prod", DeploymentId=first["DeploymentId"], StageVariables={"a": "b"}
            ),
            201,
        )
        self.assertEqual((stage["StageVariables"], stage["RouteSettings"]), ({"a": "b"}, {}))
        second = self.v2.create_deployment(ApiId=api, StageName="prod")["DeploymentId"]
        self.assertEqual(self.v2.get_stage(ApiId=api, StageName="prod")["DeploymentId"], second)
        with self.refused("BadRequestException"):
            self.v2.delete_deployment(ApiId=api, DeploymentId=second)
        self.status(self.v2.delete_deployment(ApiId=api, DeploymentId=first["DeploymentId"]), 204)
        changed = self.v2.update_stage(
            ApiId=api,
            StageName="prod",
            DefaultRouteSettings={"ThrottlingBurstLimit": 500, "ThrottlingRateLimit": 1000.0},
            RouteSettings={"GET /a": {"ThrottlingRateLimit": 1.0}},
            AccessLogSettings={"DestinationArn": "arn:aws:logs:us-east-1:1:log-group:g", "Format": "$context.requestId"},
        )
        self.assertEqual(changed["DefaultRouteSettings"]["ThrottlingBurstLimit"], 500)
        self.status(self.v2.delete_route_settings(ApiId=api, StageName="prod", RouteKey="GET /a"), 204)
        self.status(self.v2.delete_access_log_settings(ApiId=api, StageName="prod"), 204)
        after = self.v2.get_stage(ApiId=api, StageName="prod")
        self.assertEqual(after["RouteSettings"], {})
        self.assertNotIn("AccessLogSettings", after)
        self.status(self.v2.delete_stage(ApiId=api, StageName="prod"), 204)

    def test_auto_deploy_follows_every_change(self):
        api = self.api(Target="https://backend.example/")
        seen = set()
        for change in (
            lambda: self.v2.create_route(ApiId=api, RouteKey="GET /a"),
            lambda: self.v2.create_route(ApiId=api, RouteKey="GET /b"),
            lambda: self.v2.update_api(ApiId=api, Description="d"),
        ):
            change()
            seen.add(self.v2.get_stage(ApiId=api, StageName="$default")["DeploymentId"])
        self.assertEqual(len(seen), 3)
        with self.refused("BadRequestException"):
            self.v2.create_deployment(ApiId=api, StageName="$default")


class WebSockets(Http):
    def test_routes_and_responses(self):
        api = self.api("WEBSOCKET")
        self.assertTrue(self.v2.get_api(ApiId=api)["ApiEndpoint"].startswith("wss://"))
        with self.refused("BadRequestException", "At least one route is required before deploying the Api.", 400):
            self.v2.create_deployment(ApiId=api)
        integration = self.v2.create_integration(ApiId=api, IntegrationType="MOCK")["IntegrationId"]
        route = self.v2.create_route(ApiId=api, RouteKey="$connect", Target=f"integrations/{integration}")["RouteId"]
        self.v2.create_route(ApiId=api, RouteKey="send message")
        response = self.status(
            self.v2.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default"), 201
        )
        self.assertEqual(len(self.v2.get_route_responses(ApiId=api, RouteId=route)["Items"]), 1)
        self.status(
            self.v2.delete_route_response(ApiId=api, RouteId=route, RouteResponseId=response["RouteResponseId"]), 204
        )
        answer = self.v2.create_integration_response(
            ApiId=api, IntegrationId=integration, IntegrationResponseKey="/200/"
        )
        changed = self.v2.update_integration_response(
            ApiId=api,
            IntegrationId=integration,
            IntegrationResponseId=answer["IntegrationResponseId"],
            ResponseTemplates={"application/json": "{}"},
        )
        self.assertEqual(changed["ResponseTemplates"], {"application/json": "{}"})
        model = self.v2.create_model(ApiId=api, Name="M", Schema='{"type": "object"}')
        self.assertEqual(model["ContentType"], "application/json")
        stage = self.v2.create_stage(ApiId=api, StageName="s")
        used = [{"apiId": api, "stage": "s"}]
        self.assertEqual(self.v1.create_usage_plan(name="p", apiStages=used)["apiStages"], used)
        self.assertEqual(
            stage["DefaultRouteSettings"],
            {"DataTraceEnabled": False, "DetailedMetricsEnabled": False, "LoggingLevel": "OFF"},
        )
        self.status(self.v2.delete_model(ApiId=api, ModelId=model["ModelId"]), 204)


class Domains(Http):
    def test_mappings_and_rules(self):
        api = self.api(Target="https://backend.example/")
        name = "http.example.com"
        made = self.status(
            self.v2.create_domain_name(
                DomainName=name,
                DomainNameConfigurations=[
                    {
                        "CertificateArn": "arn:aws:acm:us-east-1:1:certificate/x",
                        "EndpointType": "REGIONAL",
                        "SecurityPolicy": "TLS_1_2",
                    }
                ],
            ),
            201,
        )
        self.assertEqual(made["RoutingMode"], "API_MAPPING_ONLY")
        self.assertEqual(made["DomainNameConfigurations"][0]["DomainNameStatus"], "AVAILABLE")
        changed = self.v2.update_domain_name(DomainName=name, RoutingMode="ROUTING_RULE_THEN_API_MAPPING")
        self.assertEqual(changed["RoutingMode"], "ROUTING_RULE_THEN_API_MAPPING")
        for truststore in "s3://bucket/truststore.pem", "":
            changed = self.v2.update_domain_name(
                DomainName=name, MutualTlsAuthentication={"TruststoreUri": truststore}
            )
            self.assertEqual("MutualTlsAuthentication" in changed, truststore != "")
        mapping = self.status(
            self.v2.create_api_mapping(DomainName=name, ApiId=api, Stage="$default", ApiMappingKey="a/b"), 201
        )
        changed = self.v2.update_api_mapping(
            DomainName=name, ApiId=api, ApiMappingId=mapping["ApiMappingId"], ApiMappingKey="c"
        )
        self.assertEqual((changed["ApiMappingKey"], changed["Stage"]), ("c", "$default"))
        with self.refused("BadRequestException"):
            self.v2.create_api_mapping(DomainName=name, ApiId=api, Stage="$default", ApiMappingKey="/x")
        rule = self.status(
            self.v2.create_routing_rule(
                DomainName=name,
                Priority=1,
                Conditions=[{"MatchHeaders": {"AnyOf": [{"Header": "x", "ValueGlob": "a*"}]}}],
                Actions=[{"InvokeApi": {"ApiId": api, "Stage": "$default"}}],
            ),
            201,
        )
        with self.refused("ConflictException"):
            self.v2.create_routing_rule(
                DomainName=name, Priority=1, Conditions=[], Actions=[{"InvokeApi": {"ApiId": api, "Stage": "$default"}}]
            )
        for priority in (0, 1_000_001):
            with self.refused("BadRequestException"):
                self.v2.put_routing_rule(
                    DomainName=name,
                    RoutingRuleId=rule["RoutingRuleId"],
                    Priority=priority,
                    Conditions=[],
                    Actions=[{"InvokeApi": {"ApiId": api, "Stage": "$default"}}],
                )
        self.assertEqual(len(self.v2.list_routing_rules(DomainName=name)["RoutingRules"]), 1)
        self.status(self.v2.delete_routing_rule(DomainName=name, RoutingRuleId=rule["RoutingRuleId"]), 204)
        self.status(self.v2.delete_api_mapping(DomainName=name, ApiMappingId=mapping["ApiMappingId"]), 204)
        self.status(self.v2.delete_domain_name(DomainName=name), 204)

    def test_vpc_links(self):
        made = self.status(self.v2.create_vpc_link(Name="l", SubnetIds=["subnet-1"]), 201)
        self.assertEqual((made["VpcLinkStatus"], made["SecurityGroupIds"]), ("PENDING", []))
        self.assertEqual(self.v2.get_vpc_link(VpcLinkId=made["VpcLinkId"])["VpcLinkStatus"], "AVAILABLE")
        changed = self.v2.update_vpc_link(VpcLinkId=made["VpcLinkId"], Name="m")
        self.assertEqual(changed["Name"], "m")
        self.status(self.v2.delete_vpc_link(VpcLinkId=made["VpcLinkId"]), 202)

    def test_tags(self):
        api = self.api()
        arn = f"arn:aws:apigateway:us-east-1::/apis/{api}"
        self.status(self.v2.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"}), 201)
        self.status(self.v2.untag_resource(ResourceArn=arn, TagKeys=["a"]), 204)
        self.assertEqual(self.v2.get_tags(ResourceArn=arn)["Tags"], {"b": "2"})


if __name__ == "__main__":
    main()
