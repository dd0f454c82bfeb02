//! Whatever operations are accepted, in whatever order: what is deployed after them can be read whole
//! and compiled. Their input is right in form and often wrong in substance, and a refusal is as good
//! as an answer.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::changes::DeployedStage;
use super::error::Code;
use super::test_api::{TestApi, patch_body};
use crate::model::http_api::{HttpApi, HttpStage, ProtocolType};
use crate::model::rest_api::{RestApi, RestStage};
use crate::plan::deployed::{DeployedApi, DeployedContext, compile_deployed};

/// What one step does, and which of everything that there is to choose from it takes.
type Step = (u8, [u8; 4]);

/// An API that is worked on, with the paths of what was made in it.
struct World {
    management: TestApi,
    api: String,
    made: Vec<(&'static str, String)>,
}

impl World {
    fn new(path: &str, id: &str, body: Value) -> Self {
        let management = TestApi::new();
        let api = format!("{path}/{}", management.make(path, id, body));
        Self { management, api, made: Vec::new() }
    }

    fn attempt(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        match self.management.try_run(method, path, body) {
            Ok(document) => Some(Value::Object(document)),
            Err(error) => {
                let is_refusal = !matches!(error.code, Code::ServiceUnavailable);
                assert!(is_refusal, "{method} {path} {body}: {error:?}");
                None
            }
        }
    }

    /// Makes one of `kind`, and remembers it.
    fn create(&mut self, kind: &'static str, id: &str, body: &Value) {
        let path = format!("{}/{kind}", self.api);
        self.create_at(kind, &path, id, body);
    }

    fn create_at(&mut self, kind: &'static str, path: &str, id: &str, body: &Value) {
        if let Some(made) = self.attempt("POST", path, body)
            && let Some(id) = made.get(id).and_then(Value::as_str)
        {
            self.made.push((kind, id.to_owned()));
        }
    }

    /// The id of one of `kind` that was made; some are gone by now.
    fn id(&self, kind: &str, pick: u8) -> String {
        let all: Vec<_> = self.made.iter().filter(|(one, _)| *one == kind).collect();
        let found = all.get(usize::from(pick) % all.len().max(1));
        found.map_or_else(|| "none".to_owned(), |(_, id)| id.clone())
    }

    fn path(&self, kind: &str, pick: u8) -> String {
        format!("{}/{kind}/{}", self.api, self.id(kind, pick))
    }
}

fn pick<T>(all: &[T], pick: u8) -> &T {
    &all[usize::from(pick) % all.len()]
}

/// Patches one of these paths with a value, half of the time one that is `likely`.
fn patch_of(op: u8, place: u8, value: u8, paths: &[&str], likely: &[&str]) -> Value {
    let op: &&str = pick(&["replace", "replace", "add", "remove"], op);
    let is_likely = value.is_multiple_of(2) && !likely.is_empty();
    let value = if is_likely { pick(likely, value / 2) } else { pick(&VALUES, value) };
    patch_body(&[(*op, *pick(paths, place), *value)])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 1..48)
}

fn context() -> DeployedContext<'static> {
    DeployedContext {
        region: "us-east-1",
        account_id: "111111111111",
        body_bytes_max: 1,
        find_upstream: &|_| None,
        find_function: &|_| None,
        may_invoke: &|_, _| true,
    }
}

fn rest_step(world: &mut World, (kind, [a, b, c, d]): Step) {
    let resource = world.path("resources", a);
    let method = format!("{resource}/methods/{}", pick(&["GET", "POST", "ANY"], b));
    let integration = format!("{method}/integration");
    let status = pick(&["200", "404", "599", "100"], c);
    match kind % 20 {
        0 | 1 => {
            let body = json!({"pathPart": pick(&PARTS, b)});
            world.create_at("resources", &resource, "id", &body);
        }
        2 => {
            let (id, parent) = (world.id("resources", c), pick(&PARTS, d));
            let values = [("/parentId", &*id), ("/pathPart", *parent)];
            let (path, value) = *pick(&values, b);
            world.attempt("PATCH", &resource, &patch_body(&[("replace", path, value)]));
        }
        3 | 4 => {
            let (authorizer, validator) =
                (world.id("authorizers", c), world.id("requestvalidators", d));
            let authorization = pick(&["NONE", "NONE", "CUSTOM", "AWS_IAM"], c);
            let mut body = json!({"authorizationType": authorization, "authorizerId": authorizer});
            if d > 128 {
                body["requestValidatorId"] = validator.into();
            }
            world.attempt("PUT", &method, &body);
            // A method without one keeps the whole API from being deployed.
            world.attempt("PUT", &integration, &json!({"type": "MOCK"}));
            world.attempt("PUT", &integration, pick(&rest_integrations(), d));
        }
        5 | 6 => {
            let patch = patch_of(b, c, d, &INTEGRATION_PATHS, &[]);
            world.attempt("PATCH", &integration, &patch);
        }
        7 => {
            let parameters = json!({"method.response.header.a": true});
            let body =
                json!({"responseParameters": parameters, "responseModels": {"a/b": "Empty"}});
            world.attempt("PUT", &format!("{method}/responses/{status}"), &body);
            let body = json!({
                "selectionPattern": pick(&VALUES, d),
                "responseParameters": {"method.response.header.a": pick(&VALUES, d)},
            });
            world.attempt("PUT", &format!("{integration}/responses/{status}"), &body);
        }
        8 => {
            let patch = patch_of(a, b, d, &RESPONSE_PATHS, &[]);
            world.attempt("PATCH", &format!("{integration}/responses/{status}"), &patch);
        }
        9 => {
            let (validator, authorizer) =
                (world.id("requestvalidators", a), world.id("authorizers", a));
            let likely = [&*validator, &*authorizer];
            world.attempt("PATCH", &method, &patch_of(b, c, d, &METHOD_PATHS, &likely));
        }
        10 if a < 200 => {
            world.create(
                "requestvalidators",
                "id",
                &json!({"name": "v", "validateRequestBody": true}),
            );
            world.create(
                "authorizers",
                "id",
                &json!({
                    "name": pick(&["a", "b", "c"], b), "type": pick(&["TOKEN", "REQUEST"], c),
                    "authorizerUri": FUNCTION, "identitySource": "method.request.header.A",
                }),
            );
            world.create("models", "name", pick(&models(), d));
        }
        10 | 11 => {
            let kind = pick(&["requestvalidators", "authorizers", "models"], b);
            let path = world.path(kind, c);
            world.attempt("DELETE", &path, &json!({}));
        }
        12 => {
            let path = world.path("authorizers", a);
            world.attempt("PATCH", &path, &patch_of(b, c, d, &AUTHORIZER_PATHS, &[]));
        }
        13 => {
            let kind = pick(&["DEFAULT_4XX", "THROTTLED"], a);
            let path = format!("{}/gatewayresponses/{kind}", world.api);
            world.attempt("PATCH", &path, &patch_of(b, c, d, &GATEWAY_PATHS, &[]));
        }
        14 => {
            let patch = patch_of(b, c, d, &API_PATHS, &[]);
            world.attempt("PATCH", &world.api, &patch);
        }
        15 => {
            let mut body = json!({"stageName": pick(&["s", "t"], a)});
            if b > 128 {
                body["canarySettings"] =
                    json!({"percentTraffic": c, "stageVariableOverrides": {"v": "1"}});
            }
            world.create("deployments", "id", &body);
        }
        _ if a > 230 && world.made.len() > 3 => {
            // Never the root, which everything is under.
            let path = world.path("resources", b);
            world.attempt("DELETE", &path, &json!({}));
        }
        _ => {
            let deployment = world.id("deployments", b);
            let likely = [&*deployment, "{\"a\": 1}", "{\"a\": \"1\"}"];
            let path = format!("{}/stages/{}", world.api, pick(&["s", "t"], a));
            world.attempt("PATCH", &path, &patch_of(b, c, d, &STAGE_PATHS, &likely));
        }
    }
}

fn check_rest(deployed: &DeployedStage) {
    for (snapshot, is_canary) in [(&deployed.snapshot, false), (&deployed.canary_snapshot, true)] {
        let Some(snapshot) = snapshot else { continue };
        let api = RestApi::read(snapshot).unwrap_or_else(|error| panic!("{error}"));
        let stage = RestStage::read(&api.id, &deployed.stage);
        let stage = stage.unwrap_or_else(|error| panic!("{error}"));
        let served = DeployedApi::Rest { api: &api, stage: &stage, is_canary };
        compile_deployed(served, &context()).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn http_step(world: &mut World, (kind, [a, b, c, d]): Step) {
    let (integration, authorizer) = (world.id("integrations", a), world.id("authorizers", b));
    let key = pick(&ROUTE_KEYS, c);
    match kind % 12 {
        0 | 1 => world.create("integrations", "integrationId", &http_integration(b, c, d)),
        2 => {
            let path = world.path("integrations", a);
            world.attempt("PATCH", &path, &http_integration(b, c, d));
        }
        3 | 4 => {
            let target = format!("integrations/{integration}");
            let body = json!({
                "routeKey": key, "target": if d % 2 == 0 { target } else { String::new() },
                "authorizationType": pick(&["NONE", "NONE", "CUSTOM", "JWT"], d),
                "authorizerId": authorizer, "requestModels": {"$default": "M"},
            });
            world.create("routes", "routeId", &body);
        }
        5 => {
            let path = world.path("routes", a);
            let target = format!("integrations/{}", world.id("integrations", b));
            let changes = [
                json!({"routeKey": key}),
                json!({"target": target}),
                json!({"authorizationType": "CUSTOM", "authorizerId": authorizer}),
                json!({"requestParameters": {"route.request.querystring.a": {"required": true}}}),
            ];
            world.attempt("PATCH", &path, pick(&changes, d));
        }
        6 => {
            let body = json!({
                "name": "a", "authorizerType": pick(&["REQUEST", "JWT"], a),
                "identitySource": ["$request.header.A"], "authorizerUri": FUNCTION,
                "authorizerPayloadFormatVersion": "2.0",
                "jwtConfiguration": {"issuer": "https://i.example", "audience": ["a"]},
            });
            world.create("authorizers", "authorizerId", &body);
            world.create(
                "models",
                "modelId",
                &json!({"name": pick(&["M", ""], b), "schema": "{}"}),
            );
        }
        7 => {
            let kind = pick(&["authorizers", "models", "integrations", "routes"], a);
            let path = world.path(kind, b);
            world.attempt("DELETE", &path, &json!({}));
        }
        8 => {
            let path = world.path("authorizers", a);
            let changes = [
                json!({"authorizerType": pick(&["REQUEST", "JWT"], c)}),
                json!({"authorizerUri": pick(&["", FUNCTION], c)}),
                json!({"jwtConfiguration": {"issuer": pick(&["", "https://x"], c)}}),
                json!({"authorizerResultTtlInSeconds": c}),
            ];
            world.attempt("PATCH", &path, pick(&changes, b));
        }
        9 => {
            let changes = [
                json!({"corsConfiguration": {"allowOrigins": ["*"], "maxAge": c}}),
                json!({"routeKey": key}),
                json!({"target": pick(&["http://b.example", FUNCTION, ""], c)}),
                json!({"routeSelectionExpression": pick(&VALUES, c)}),
                json!({"apiKeySelectionExpression": pick(&VALUES, c)}),
            ];
            world.attempt("PATCH", &world.api, pick(&changes, b));
        }
        10 => {
            let path = format!("{}/stages", world.api);
            let settings = json!({ *key: {"throttlingBurstLimit": d, "throttlingRateLimit": 0.5} });
            let body = json!({
                "stageName": pick(&["$default", "s"], a), "autoDeploy": b > 128,
                "stageVariables": {"v": pick(&VALUES, c)}, "routeSettings": settings,
            });
            world.attempt("POST", &path, &body);
        }
        _ => {
            let stage = pick(&["$default", "s"], a);
            world.create("deployments", "deploymentId", &json!({ "stageName": stage }));
            let changes = [
                json!({"deploymentId": world.id("deployments", b)}),
                json!({"deploymentId": ""}),
                json!({"stageVariables": {"v": pick(&VALUES, d)}}),
                json!({"accessLogSettings": {"format": pick(&VALUES, d)}}),
                json!({"defaultRouteSettings": {"throttlingBurstLimit": d}}),
            ];
            let path = format!("{}/stages/{stage}", world.api);
            world.attempt("PATCH", &path, pick(&changes, c));
        }
    }
}

fn check_http(deployed: &DeployedStage) {
    let Some(snapshot) = &deployed.snapshot else { return };
    let api = HttpApi::read(snapshot).unwrap_or_else(|error| panic!("{error}"));
    let stage = HttpStage::read(&api.id, &deployed.stage).unwrap_or_else(|error| panic!("{error}"));
    let compiled = compile_deployed(DeployedApi::Http { api: &api, stage: &stage }, &context());
    // Those are not served yet, whatever they consist of.
    assert_eq!(compiled.is_ok(), api.protocol == ProtocolType::Http, "{compiled:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_rest_api_that_was_accepted_is_served(steps in steps()) {
        let mut world = World::new("/restapis", "id", json!({"name": "n"}));
        let api = world.management.run("GET", &world.api, json!({}));
        let root = api.get("rootResourceId").and_then(Value::as_str).expect("a root").to_owned();
        let method = format!("{}/resources/{root}/methods/GET", world.api);
        world.made.push(("resources", root));
        world.management.run("PUT", &method, json!({"authorizationType": "NONE"}));
        world.management.run("PUT", &format!("{method}/integration"), json!({"type": "MOCK"}));
        let deployments = format!("{}/deployments", world.api);
        world.management.run("POST", &deployments, json!({"stageName": "s"}));
        for step in steps {
            rest_step(&mut world, step);
        }
        // Whatever was done, it can be deployed.
        world.management.run("POST", &deployments, json!({"stageName": "last"}));
        for deployed in world.management.all_deployed() {
            check_rest(&deployed);
        }
    }

    #[test]
    fn an_http_api_that_was_accepted_is_served(steps in steps(), is_quick in any::<bool>()) {
        let mut body = json!({"name": "n", "protocolType": "HTTP"});
        if is_quick {
            body["target"] = "http://a.example".into();
        }
        check_http_steps(body, &steps);
    }

    #[test]
    fn a_websocket_api_that_was_accepted_is_read(steps in steps()) {
        let expression = "$request.body.action";
        let body = json!({
            "name": "n", "protocolType": "WEBSOCKET", "routeSelectionExpression": expression,
        });
        check_http_steps(body, &steps);
    }
}

fn check_http_steps(body: Value, steps: &[Step]) {
    let mut world = World::new("/v2/apis", "apiId", body);
    for step in steps {
        http_step(&mut world, *step);
    }
    let path = format!("{}/routes", world.api);
    world.attempt("POST", &path, &json!({"routeKey": "GET /last"}));
    let path = format!("{}/stages", world.api);
    world.management.run("POST", &path, json!({"stageName": "last", "autoDeploy": true}));
    for deployed in world.management.all_deployed() {
        check_http(&deployed);
    }
}

fn rest_integrations() -> [Value; 6] {
    let uri = "http://${stageVariables.v}.example/{id}/{proxy}";
    [
        json!({"type": "MOCK", "requestTemplates": {"application/json": "{\"statusCode\": 200}"}}),
        json!({"type": "HTTP_PROXY", "httpMethod": "ANY", "uri": uri}),
        json!({
            "type": "HTTP", "httpMethod": "GET", "uri": "https://a.example/{id}",
            "requestParameters": {"integration.request.path.id": "method.request.body.id"},
        }),
        json!({"type": "AWS_PROXY", "httpMethod": "POST", "uri": FUNCTION}),
        json!({
            "type": "HTTP", "httpMethod": "GET", "uri": "http://a.example/", "connectionType": "VPC_LINK",
            "connectionId": "${stageVariables.link}",
        }),
        json!({"type": "HTTP", "httpMethod": "GET", "uri": "http://a.example:99999/"}),
    ]
}

fn http_integration(kind: u8, key: u8, value: u8) -> Value {
    let value = *pick(&VALUES, value);
    let mut body = json!({
        "integrationType": pick(&["HTTP_PROXY", "HTTP_PROXY", "AWS_PROXY", "MOCK"], kind),
        "integrationMethod": pick(&["ANY", "GET", "get"], key),
        "integrationUri": pick(&["http://a.example/{id}", "https://${stageVariables.v}/", FUNCTION], key),
        "payloadFormatVersion": pick(&["1.0", "2.0"], key),
    });
    let places =
        ["overwrite:path", "append:header.a", "remove:querystring.q", "add:x", "append:path"];
    match kind % 3 {
        0 => body["requestParameters"] = json!({ *pick(&places, key): value }),
        1 => {
            let status = pick(&["200", "599", "600", "100", "2xx"], key);
            let place = pick(&["overwrite:statuscode", "append:header.a", "append:path"], key);
            body["responseParameters"] = json!({ *status: { *place: value } });
        }
        _ => {}
    }
    body
}

fn models() -> [Value; 4] {
    let model = |name: &str, schema: &str| json!({"name": name, "contentType": "application/json", "schema": schema});
    [model("A", "{}"), model("B", "{}"), model("A", "[]"), model("", "{}")]
}

const FUNCTION: &str =
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations";

const PARTS: [&str; 9] = ["a", "b", "{id}", "{x}", "{proxy+}", ".", "..", "a.b:c", "{id+}"];

const ROUTE_KEYS: [&str; 11] = [
    "GET /a",
    "GET /a/{x}",
    "GET /a/{y}",
    "ANY /{proxy+}",
    "GET /a%62",
    "GET /ab",
    "$default",
    "POST /..",
    "GET /{a}/{a}",
    "$connect",
    "GET /a/{x}/b",
];

/// Texts that are a value of something.
const VALUES: [&str; 38] = [
    "",
    "x",
    "é",
    "a\nb",
    "0",
    "-1",
    "200",
    "600",
    "50",
    "1e9",
    "true",
    "FALSE",
    "{}",
    "{\"a\": 1}",
    "{\"a\": \"1\"}",
    "[1]",
    "[\"a\"]",
    "HTTP",
    "MOCK",
    "AWS_PROXY",
    "CONVERT_TO_TEXT",
    "VPC_LINK",
    "STREAM",
    "never",
    "CUSTOM",
    "REQUEST",
    "JWT",
    "'x'",
    "'a\nb'",
    "method.request.header.a",
    "method.request.body.a[?(@.b)]",
    "integration.response.body.a",
    "context.nothing",
    "stageVariables.v",
    "$stageVariables.v",
    "/a/${request.path.id}",
    "(?=a)b",
    "http://a.example/{id}",
];

const INTEGRATION_PATHS: [&str; 16] = [
    "/type",
    "/httpMethod",
    "/uri",
    "/timeoutInMillis",
    "/credentials",
    "/passthroughBehavior",
    "/contentHandling",
    "/connectionType",
    "/connectionId",
    "/integrationTarget",
    "/responseTransferMode",
    "/tlsConfig/insecureSkipVerification",
    "/cacheKeyParameters/a",
    "/requestParameters/integration.request.header.a",
    "/requestParameters/integration.request.path.id",
    "/requestTemplates/application~1json",
];

const RESPONSE_PATHS: [&str; 4] = [
    "/selectionPattern",
    "/contentHandling",
    "/responseParameters/method.response.header.a",
    "/responseTemplates/a~1b",
];

const METHOD_PATHS: [&str; 8] = [
    "/authorizationType",
    "/authorizerId",
    "/authorizationScopes",
    "/apiKeyRequired",
    "/operationName",
    "/requestValidatorId",
    "/requestParameters/method.request.header.a",
    "/requestModels/a~1b",
];

const AUTHORIZER_PATHS: [&str; 7] = [
    "/name",
    "/type",
    "/authorizerUri",
    "/authorizerResultTtlInSeconds",
    "/identitySource",
    "/identityValidationExpression",
    "/providerARNs",
];

const GATEWAY_PATHS: [&str; 3] =
    ["/statusCode", "/responseParameters/gatewayresponse.header.a", "/responseTemplates/a~1b"];

const API_PATHS: [&str; 10] = [
    "/name",
    "/policy",
    "/apiKeySource",
    "/binaryMediaTypes/a~1b",
    "/minimumCompressionSize",
    "/disableExecuteApiEndpoint",
    "/securityPolicy",
    "/endpointConfiguration/types/EDGE",
    "/endpointConfiguration/ipAddressType",
    "/endpointConfiguration/vpcEndpointIds",
];

const STAGE_PATHS: [&str; 18] = [
    "/deploymentId",
    "/description",
    "/cacheClusterEnabled",
    "/cacheClusterSize",
    "/clientCertificateId",
    "/tracingEnabled",
    "/variables",
    "/variables/v",
    "/accessLogSettings",
    "/accessLogSettings/format",
    "/canarySettings",
    "/canarySettings/percentTraffic",
    "/canarySettings/deploymentId",
    "/canarySettings/useStageCache",
    "/canarySettings/stageVariableOverrides",
    "/canarySettings/stageVariableOverrides/v",
    "/*/*/throttling/rateLimit",
    "/~1a/GET/logging/loglevel",
];
