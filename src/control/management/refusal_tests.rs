//! What could not be deployed is refused when it is written: each with AWS's code and words, and
//! nothing changed.

use serde_json::{Value, json};

use super::error::Code;
use super::test_api::{TestApi, patch_body};

/// A REST API with `GET /`, and the path of that method.
struct Rest {
    management: TestApi,
    api: String,
    root: String,
    method: String,
}

impl Rest {
    fn new() -> Self {
        let management = TestApi::new();
        let id = management.make("/restapis", "id", json!({"name": "n"}));
        let api = format!("/restapis/{id}");
        let root = management.run("GET", &api, json!({}));
        let root = root.get("rootResourceId").and_then(Value::as_str).expect("a root").to_owned();
        let method = format!("{api}/resources/{root}/methods/GET");
        management.run("PUT", &method, json!({"authorizationType": "NONE"}));
        let integration = json!({
            "type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://a.example/"
        });
        management.run("PUT", &format!("{method}/integration"), integration);
        Self { management, api, root, method }
    }

    fn resource(&self, parent: &str, part: &str) -> String {
        let path = format!("{}/resources/{parent}", self.api);
        self.management.make(&path, "id", json!({"pathPart": part}))
    }

    /// Deploys to `prod`.
    fn deploy(&self) -> String {
        let path = format!("{}/deployments", self.api);
        self.management.make(&path, "id", json!({"stageName": "prod"}))
    }

    #[track_caller]
    fn bad_request(&self, method: &str, path: &str, body: Value) -> String {
        let error = self.management.refused(method, &format!("{}{path}", self.api), body);
        assert_eq!(error.code, Code::BadRequest, "{}", error.message);
        error.message
    }

    #[track_caller]
    fn conflict(&self, path: &str) -> String {
        let error = self.management.refused("DELETE", &format!("{}{path}", self.api), json!({}));
        assert_eq!(error.code, Code::Conflict, "{}", error.message);
        error.message
    }

    #[track_caller]
    fn integration_refusal(&self, operations: &[(&str, &str, &str)]) -> String {
        let path = self.method.strip_prefix(&self.api).expect("it is under the API");
        self.bad_request("PATCH", &format!("{path}/integration"), patch_body(operations))
    }
}

#[test]
fn choices_of_an_integration_are_held_to_by_patches_too() {
    let rest = Rest::new();
    for (path, valid) in [
        ("type", "HTTP,MOCK,AWS_PROXY,HTTP_PROXY,AWS"),
        ("contentHandling", "CONVERT_TO_BINARY,CONVERT_TO_TEXT"),
        ("connectionType", "INTERNET,VPC_LINK"),
        ("responseTransferMode", "BUFFERED,STREAM"),
        ("passthroughBehavior", "WHEN_NO_MATCH,WHEN_NO_TEMPLATES,NEVER"),
    ] {
        let said = rest.integration_refusal(&[("replace", &format!("/{path}"), "x")]);
        assert_eq!(said, format!("Invalid {path} specified. Valid options are {valid}"));
    }
    let integration = format!("{}/integration", rest.method);
    rest.management.patch(
        &integration,
        &[
            ("replace", "/contentHandling", "CONVERT_TO_TEXT"),
            ("replace", "/responseTransferMode", "STREAM"),
            ("replace", "/passthroughBehavior", "never"),
        ],
    );
    // What need not be there is taken away by an empty text.
    rest.management.patch(&integration, &[("replace", "/contentHandling", "")]);
    rest.management.run(
        "PUT",
        &format!("{}/responses/200", rest.method),
        json!({"responseParameters": {"method.response.header.a": true}}),
    );
    rest.management.run("PUT", &format!("{integration}/responses/200"), json!({}));
    let path = integration.strip_prefix(&rest.api).expect("it is under the API");
    let patch = patch_body(&[("replace", "/contentHandling", "x")]);
    let said = rest.bad_request("PATCH", &format!("{path}/responses/200"), patch);
    assert!(said.starts_with("Invalid contentHandling specified."), "{said}");
    let patch = patch_body(&[("add", "/responseParameters/method.response.header.b", "'x'")]);
    assert_eq!(
        rest.bad_request("PATCH", &format!("{path}/responses/200"), patch),
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid \
         mapping expression parameter specified: method.response.header.b]"
    );
}

#[test]
fn tables_of_a_stage_hold_texts_alone() {
    let rest = Rest::new();
    let deployment = rest.deploy();
    for path in ["/variables", "/canarySettings/stageVariableOverrides", "/accessLogSettings"] {
        let value = r#"{"format": 1}"#;
        let said =
            rest.bad_request("PATCH", "/stages/prod", patch_body(&[("replace", path, value)]));
        let wanted = "is not a JSON object of strings";
        assert_eq!(said, format!("Invalid value for {path}: '{value}' {wanted}"));
    }
    for path in ["/variables/a", "/canarySettings/stageVariableOverrides/a"] {
        let said = rest.bad_request("PATCH", "/stages/prod", patch_body(&[("replace", path, "é")]));
        assert!(said.starts_with("Stage variable value not valid: é"), "{said}");
    }
    let canary = json!({"percentTraffic": 5.0, "stageVariableOverrides": {"a b": "1"}});
    let body = json!({"stageName": "prod", "canarySettings": canary});
    let said = rest.bad_request("POST", "/deployments", body);
    assert_eq!(said, "Stage variable name not valid: a b");
    for (path, body) in [
        ("/deployments", json!({"variables": {"a": 1}})),
        ("/deployments", json!({"canarySettings": {"stageVariableOverrides": {"a": true}}})),
        ("/stages", json!({"stageName": "x", "deploymentId": deployment, "variables": {"a": []}})),
        ("/stages", json!({"stageName": "x", "canarySettings": {"deploymentId": 1}})),
    ] {
        let error = rest.management.refused("POST", &format!("{}{path}", rest.api), body);
        assert_eq!(error.code, Code::Serialization, "{}", error.message);
    }
}

/// The deployment of a stage with a canary was once free to go.
#[test]
fn a_stage_always_has_a_deployment() {
    let rest = Rest::new();
    rest.deploy();
    let canary = json!({"stageName": "prod", "canarySettings": {"percentTraffic": 5.0}});
    rest.management.run("POST", &format!("{}/deployments", rest.api), canary);
    let without_value = json!({"patchOperations": [{"op": "replace", "path": "/deploymentId"}]});
    let said = rest.bad_request("PATCH", "/stages/prod", without_value);
    assert_eq!(said, "DeploymentId cannot be empty");
}

#[test]
fn what_methods_name_cannot_go() {
    let rest = Rest::new();
    let body = json!({"name": "all", "validateRequestBody": true});
    let validator = rest.management.make(&format!("{}/requestvalidators", rest.api), "id", body);
    let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations";
    let body = json!({"name": "a", "type": "TOKEN", "authorizerUri": uri});
    let authorizer = rest.management.make(&format!("{}/authorizers", rest.api), "id", body);
    rest.management.patch(
        &rest.method,
        &[
            ("replace", "/requestValidatorId", &validator),
            ("replace", "/authorizationType", "CUSTOM"),
            ("replace", "/authorizerId", &authorizer),
            ("add", "/requestModels/application~1json", "Error"),
        ],
    );
    assert_eq!(
        rest.conflict(&format!("/requestvalidators/{validator}")),
        format!("Cannot delete Request Validator '{validator}', is referenced in method: //GET")
    );
    assert_eq!(
        rest.conflict(&format!("/authorizers/{authorizer}")),
        format!("Cannot delete authorizer '{authorizer}', is referenced in method: //GET")
    );
    assert_eq!(
        rest.conflict("/models/Error"),
        "Cannot delete model 'Error', is referenced in method request: //GET"
    );
    rest.management.run("DELETE", &rest.method, json!({}));
    for path in [format!("/requestvalidators/{validator}"), format!("/authorizers/{authorizer}")] {
        rest.management.run("DELETE", &format!("{}{path}", rest.api), json!({}));
    }
}

#[test]
fn a_path_can_be_routed_as_a_whole() {
    let rest = Rest::new();
    let root = format!("/resources/{}", rest.root);
    for part in [".", ".."] {
        let said = rest.bad_request("POST", &root, json!({"pathPart": part}));
        assert!(said.starts_with("Resource's path part only allow"), "{said}");
    }
    let id = rest.resource(&rest.root, "{id}");
    let x = rest.resource(&id, "x");
    let repeated = "the parameter `id` is named twice";
    for part in ["{id}", "{id+}"] {
        let said = rest.bad_request("POST", &format!("/resources/{x}"), json!({"pathPart": part}));
        assert_eq!(said, format!("Invalid resource path specified: /{{id}}/x/{part} ({repeated})"));
    }
    // What is moved takes along what is under it.
    let other = rest.resource(&rest.root, "other");
    let deep = rest.resource(&other, "{id}");
    let move_under = |resource: &str, parent: &str| {
        let patch = patch_body(&[("replace", "/parentId", parent)]);
        rest.bad_request("PATCH", &format!("/resources/{resource}"), patch)
    };
    let said = move_under(&other, &x);
    assert_eq!(
        said,
        format!("Invalid resource path specified: /{{id}}/x/other/{{id}} ({repeated})")
    );
    let patch = patch_body(&[("replace", "/pathPart", "..")]);
    rest.bad_request("PATCH", &format!("/resources/{deep}"), patch);
    let patch = patch_body(&[("replace", "/pathPart", "{rest+}")]);
    let said = rest.bad_request("PATCH", &format!("/resources/{id}"), patch);
    assert_eq!(said, "Cannot create a child of a resource with a greedy path variable: {rest+}");
}

#[test]
fn gateway_responses_can_be_compiled() {
    let rest = Rest::new();
    let path = "/gatewayresponses/DEFAULT_4XX";
    for status in ["", "600", "2000", "abc"] {
        let patch = patch_body(&[("replace", "/statusCode", status)]);
        let said = rest.bad_request("PATCH", path, patch);
        assert_eq!(said, format!("Invalid status code specified: {status}"));
    }
    let start = "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                 [Invalid mapping expression specified: ";
    for (key, value, wrong) in [
        ("method.response.header.a", "'x'", "method.response.header.a"),
        ("gatewayresponse.header.a", "x", "x"),
        ("gatewayresponse.header.a", "method.request.body", "method.request.body"),
    ] {
        let body = json!({"responseParameters": {key: value}});
        assert_eq!(rest.bad_request("PUT", path, body), format!("{start}{wrong}]"));
    }
}

/// An HTTP API with an integration.
struct Http {
    management: TestApi,
    api: String,
    integration: String,
}

impl Http {
    fn new() -> Self {
        let management = TestApi::new();
        let body = json!({"name": "n", "protocolType": "HTTP"});
        let id = management.make("/v2/apis", "apiId", body);
        let api = format!("/v2/apis/{id}");
        let path = format!("{api}/integrations");
        let integration = management.make(&path, "integrationId", proxy(json!({})));
        Self { management, api, integration }
    }

    #[track_caller]
    fn refused(&self, method: &str, path: &str, body: Value) -> (Code, String) {
        let error = self.management.refused(method, &format!("{}{path}", self.api), body);
        (error.code, error.message)
    }
}

fn proxy(more: Value) -> Value {
    let mut body = json!({
        "integrationType": "HTTP_PROXY", "integrationMethod": "ANY",
        "integrationUri": "http://a.example/", "payloadFormatVersion": "1.0",
    });
    let more = more.as_object().cloned().expect("an object");
    body.as_object_mut().expect("an object").extend(more);
    body
}

#[test]
fn mappings_of_an_http_api_can_be_compiled() {
    let http = Http::new();
    let start =
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [";
    let path = format!("/integrations/{}", http.integration);
    for (members, wrong) in [
        (json!({"requestParameters": {"add:header.a": "1"}}), "add:header.a"),
        (
            json!({"requestParameters": {"overwrite:header.Authorization": "1"}}),
            "overwrite:header.Authorization",
        ),
        (json!({"requestParameters": {"append:path": "/a"}}), "append:path"),
        (
            json!({"requestParameters": {"append:header.a": "$request.cookie.a"}}),
            "$request.cookie.a",
        ),
        (json!({"responseParameters": {"200": {"overwrite:statuscode": "99"}}}), "99"),
        (
            json!({"responseParameters": {"200": {"append:querystring.a": "1"}}}),
            "append:querystring.a",
        ),
    ] {
        let wanted = format!("{start}Invalid mapping expression specified: {wrong}]");
        for (method, path) in [("POST", "/integrations"), ("PATCH", &path)] {
            let said = http.refused(method, path, proxy(members.clone()));
            assert_eq!(said, (Code::BadRequest, wanted.clone()), "{members}");
        }
    }
    for status in ["199", "600", "20", "0200", "+20", "2xx", "default"] {
        let body = json!({"responseParameters": {status: {"append:header.a": "1"}}});
        let wanted = format!("{start}Invalid response status code specified: {status}]");
        assert_eq!(http.refused("PATCH", &path, body), (Code::BadRequest, wanted));
    }
    let fine = json!({
        "requestParameters": {
            "append:header.a": "$stageVariables.v", "overwrite:path": "/x/${request.path.id}",
            "remove:querystring.q": "''",
        },
        "responseParameters": {"599": {"overwrite:statuscode": "$stageVariables.v"}},
    });
    http.management.run("PATCH", &format!("{}{path}", http.api), fine);
    // The parameters of a service's action are no mappings.
    let action = json!({
        "integrationType": "AWS_PROXY", "integrationSubtype": "SQS-SendMessage",
        "payloadFormatVersion": "1.0", "credentialsArn": "arn:aws:iam::1:role/r",
        "requestParameters": {"QueueUrl": "$request.header.q", "MessageBody": "$request.body.m"},
    });
    http.management.run("POST", &format!("{}/integrations", http.api), action);
}

#[test]
fn two_routes_never_match_the_same_requests() {
    let http = Http::new();
    let routes = format!("{}/routes", http.api);
    http.management.run("POST", &routes, json!({"routeKey": "GET /a/{x}"}));
    let other = http.management.make(&routes, "routeId", json!({"routeKey": "GET /b/{x}"}));
    let wanted =
        (Code::Conflict, "Route with key GET /a/{y} already exists for this API".to_owned());
    let body = json!({"routeKey": "GET /a/{y}"});
    assert_eq!(http.refused("POST", "/routes", body.clone()), wanted);
    assert_eq!(http.refused("PATCH", &format!("/routes/{other}"), body), wanted);
    // A route may rename its own parameters, and settings name it by its key.
    http.management.run("PATCH", &format!("{routes}/{other}"), json!({"routeKey": "GET /b/{y}"}));
    let settings =
        |key: &str| json!({"stageName": "s", "routeSettings": {key: {"throttlingBurstLimit": 1}}});
    let (code, said) = http.refused("POST", "/stages", settings("GET /b/{x}"));
    assert_eq!(code, Code::NotFound, "{said}");
    http.management.run("POST", &format!("{}/stages", http.api), settings("GET /b/{y}"));
}

#[test]
fn quick_create_keeps_route_keys_apart() {
    let management = TestApi::new();
    let quick = json!({"name": "n", "protocolType": "HTTP", "target": "http://a.example/"});
    let id = management.make("/v2/apis", "apiId", quick);
    let api = format!("/v2/apis/{id}");
    management.run("POST", &format!("{api}/routes"), json!({"routeKey": "GET /a"}));
    let error = management.refused("PATCH", &api, json!({"routeKey": "GET /a"}));
    assert_eq!(error.code, Code::Conflict, "{}", error.message);
    management.run("PATCH", &api, json!({"routeKey": "GET /b"}));
    let routes = format!("{api}/routes");
    assert_eq!(
        management.refused("POST", &routes, json!({"routeKey": "GET /b"})).code,
        Code::Conflict
    );
    management.run("POST", &routes, json!({"routeKey": "$default"}));
}

#[test]
fn what_routes_name_cannot_go() {
    let management = TestApi::new();
    let body = json!({
        "name": "n", "protocolType": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
    });
    let id = management.make("/v2/apis", "apiId", body);
    let api = format!("/v2/apis/{id}");
    let model = |name: &str| {
        let body = json!({"name": name, "schema": "{}"});
        management.make(&format!("{api}/models"), "modelId", body)
    };
    let (asked, answered, free) = (model("Asked"), model("Answered"), model("Free"));
    let body = json!({"routeKey": "say", "requestModels": {"$default": "Asked"}});
    let route = management.make(&format!("{api}/routes"), "routeId", body);
    let body = json!({"routeResponseKey": "$default", "responseModels": {"$default": "Answered"}});
    management.run("POST", &format!("{api}/routes/{route}/routeresponses"), body);
    for (id, name) in [(&asked, "Asked"), (&answered, "Answered")] {
        let error = management.refused("DELETE", &format!("{api}/models/{id}"), json!({}));
        let wanted = format!("Cannot delete model '{name}', is referenced in route: say");
        assert_eq!((error.code, error.message), (Code::Conflict, wanted));
    }
    management.run("DELETE", &format!("{api}/models/{free}"), json!({}));
}
