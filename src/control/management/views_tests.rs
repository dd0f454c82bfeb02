//! The typed views of `model` read what the operations store: each test makes an API by running
//! operations, deploys it, and reads what a plan would be compiled from.

use serde_json::{Value, json};

use super::changes::DeployedStage;
use super::test_api::TestApi;
use crate::base::Method;
use crate::model::http_api::{self, HttpApi, HttpRouteKey, HttpStage};
use crate::model::rest_api::{
    AuthorizerType, GatewayResponseType, ResponseTransferMode, RestApi, RestStage,
};
use crate::model::{
    Authorization, ConnectionType, ContentHandling, EndpointType, IntegrationType, LoggingLevel,
    ModelError, PassthroughBehavior, RouteKey, RouteMethod, Throttle,
};
use crate::store::Document;

/// A REST API that uses all that the views show, deployed twice: to a stage and to its canary.
fn rest_api() -> (String, DeployedStage) {
    let management = TestApi::new();
    let id = management.make(
        "/restapis",
        "id",
        json!({
            "name": "pets", "binaryMediaTypes": ["image/*"], "minimumCompressionSize": 1024,
            "endpointConfiguration": {"types": ["REGIONAL"]}, "policy": "{}",
        }),
    );
    let api = format!("/restapis/{id}");
    let root = management.run("GET", &api, json!({}));
    let root = root.get("rootResourceId").and_then(Value::as_str).expect("a root").to_owned();
    let resource = |parent: &str, part: &str| {
        management.make(&format!("{api}/resources/{parent}"), "id", json!({"pathPart": part}))
    };
    let pets = resource(&root, "pets");
    let pet = resource(&pets, "{id}");
    let proxy = resource(&root, "{proxy+}");
    let validator = management.make(
        &format!("{api}/requestvalidators"),
        "id",
        json!({"name": "all", "validateRequestBody": true, "validateRequestParameters": true}),
    );
    let authorizer = management.make(
        &format!("{api}/authorizers"),
        "id",
        json!({
            "name": "tokens", "type": "REQUEST", "authorizerUri": FUNCTION,
            "identitySource": "method.request.header.A, method.request.querystring.b",
            "authorizerResultTtlInSeconds": 60,
        }),
    );
    management.run(
        "PUT",
        &format!("{api}/resources/{pet}/methods/GET"),
        json!({
            "authorizationType": "CUSTOM", "authorizerId": authorizer, "apiKeyRequired": true,
            "operationName": "GetPet", "requestValidatorId": validator,
            "requestParameters": {
                "method.request.path.id": true, "method.request.header.X-Version": false,
            },
            "requestModels": {"application/json": "Empty"},
        }),
    );
    management.run(
        "PUT",
        &format!("{api}/resources/{pet}/methods/GET/responses/200"),
        json!({
            "responseParameters": {"method.response.header.X-Kind": true},
            "responseModels": {"application/json": "Empty"},
        }),
    );
    management.run(
        "PUT",
        &format!("{api}/resources/{pet}/methods/GET/integration"),
        json!({
            "type": "HTTP", "httpMethod": "POST",
            "uri": "http://${stageVariables.host}/pets/{id}", "timeoutInMillis": 500,
            "connectionType": "VPC_LINK", "connectionId": "${stageVariables.link}",
            "requestParameters": {
                "integration.request.path.id": "method.request.path.id",
                "integration.request.header.A": "'a'",
            },
            "requestTemplates": {"application/json": "{}"}, "passthroughBehavior": "never",
            "contentHandling": "CONVERT_TO_TEXT", "cacheKeyParameters": ["method.request.path.id"],
            "cacheNamespace": "pets", "tlsConfig": {"insecureSkipVerification": true},
        }),
    );
    management.run(
        "PUT",
        &format!("{api}/resources/{pet}/methods/GET/integration/responses/200"),
        json!({
            "selectionPattern": "2\\d\\d",
            "responseParameters": {"method.response.header.X-Kind": "integration.response.header.K"},
            "responseTemplates": {"application/json": "x"}, "contentHandling": "CONVERT_TO_BINARY",
        }),
    );
    let any = format!("{api}/resources/{proxy}/methods/ANY");
    management.run("PUT", &any, json!({"authorizationType": "NONE"}));
    management.run(
        "PUT",
        &format!("{any}/integration"),
        json!({"type": "HTTP_PROXY", "httpMethod": "ANY", "uri": "http://a/{proxy}",
            "responseTransferMode": "STREAM"}),
    );
    management.run(
        "PUT",
        &format!("{api}/gatewayresponses/DEFAULT_4XX"),
        json!({"statusCode": "418", "responseParameters": {"gatewayresponse.header.A": "'a'"}}),
    );
    let deployments = format!("{api}/deployments");
    management.run(
        "POST",
        &deployments,
        json!({"stageName": "prod", "variables": {"host": "a", "link": "l"}}),
    );
    management.run(
        "POST",
        &deployments,
        json!({"stageName": "prod", "canarySettings": {
            "percentTraffic": 12.5, "stageVariableOverrides": {"host": "b"}, "useStageCache": true,
        }}),
    );
    management.patch(
        &format!("{api}/stages/prod"),
        &[
            ("replace", "/*/*/logging/loglevel", "INFO"),
            ("replace", "/~1pets~1{id}/GET/throttling/rateLimit", "7.5"),
            ("replace", "/~1pets~1{id}/GET/throttling/burstLimit", "3"),
            ("replace", "/~1pets~1{id}/GET/caching/ttlInSeconds", "0"),
            ("replace", "/accessLogSettings/format", "$context.requestId"),
            ("replace", "/tracingEnabled", "true"),
            ("replace", "/cacheClusterEnabled", "true"),
        ],
    );
    (id, management.deployed())
}

#[test]
fn a_rest_stage_is_read_as_it_was_set() {
    let (id, deployed) = rest_api();
    let stage = RestStage::read(&id, &deployed.stage).expect("a stage");
    assert_eq!((stage.stage_name.as_str(), stage.variables.get("host")), ("prod", Some("a")));
    assert!(stage.tracing_enabled && stage.cache_cluster_enabled);
    assert_eq!(stage.cache_cluster_size.as_deref(), Some("0.5"));
    let log = stage.access_log_settings.as_ref().expect("a log");
    assert_eq!((log.format.as_deref(), &log.destination_arn), (Some("$context.requestId"), &None));
    let canary = stage.canary_settings.as_ref().expect("a canary");
    assert_eq!((canary.percent_traffic, canary.use_stage_cache), (12.5, true));
    assert_ne!(canary.deployment_id, stage.deployment_id);
    let variables = stage.canary_variables();
    assert_eq!((variables.get("host"), variables.get("link")), (Some("b"), Some("l")));

    let get = RouteMethod::Exact(Method::Get);
    let own = stage.method_settings.find("/pets/{id}", get).expect("its own");
    let throttle = Throttle { rate_per_second: 7.5, burst_count: 3 };
    assert_eq!((own.throttle, own.cache_ttl_s), (Some(throttle), 0));
    let all = stage.method_settings.find("/pets", get).expect("those of all");
    assert_eq!((all.logging_level, all.throttle), (LoggingLevel::Info, Some(Throttle::ACCOUNT)));
    assert!(all.require_authorization_for_cache_control && !all.metrics_enabled);
}

#[test]
fn a_rest_api_is_read_as_it_was_made() {
    let (id, deployed) = rest_api();
    assert!(deployed.canary_snapshot.is_some());
    let api = RestApi::read(&deployed.snapshot.expect("deployed")).expect("an API");
    assert_eq!((api.id.as_str(), api.name.as_str()), (id.as_str(), "pets"));
    assert_eq!(api.minimum_compression_bytes, Some(1_024));
    assert_eq!(api.endpoint_configuration.types, [EndpointType::Regional]);
    assert_eq!((api.policy.as_deref(), &api.binary_media_types[0][..]), (Some("{}"), "image/*"));
    assert!(api.model("Empty").is_some() && api.model("Error").is_some());
    let paths: Vec<_> = api.resources.iter().map(|one| one.pattern.to_string()).collect();
    for path in ["/", "/pets", "/pets/{id}", "/{proxy+}"] {
        assert!(paths.iter().any(|one| one == path), "{paths:?}");
    }
    let teapot = api.gateway_responses.resolve(GatewayResponseType::Unauthorized);
    assert_eq!(teapot.status_code, Some(418));
    let header = teapot.set.and_then(|set| set.response_parameters.get("gatewayresponse.header.A"));
    assert_eq!(header, Some("'a'"));
    let authorizer = &api.authorizers[0];
    assert_eq!(
        (authorizer.authorizer_type, authorizer.result_ttl_s),
        (AuthorizerType::Request, 60)
    );
    let sources = ["method.request.header.A", "method.request.querystring.b"];
    assert_eq!(authorizer.identity_source, sources);
}

#[test]
fn methods_and_integrations_are_read_as_they_were_put() {
    let (_, deployed) = rest_api();
    let api = RestApi::read(&deployed.snapshot.expect("deployed")).expect("an API");
    let method_at = |path: &str| {
        let resource = api.resources.iter().find(|one| one.path == path).expect("a resource");
        resource.methods.first().expect("a method")
    };
    let method = method_at("/pets/{id}");
    assert_eq!(method.http_method, RouteMethod::Exact(Method::Get));
    let authorizer_id = api.authorizers[0].id.clone();
    assert_eq!(method.authorization, Authorization::Custom { authorizer_id });
    let validator = method.request_validator_id.as_deref().and_then(|id| api.request_validator(id));
    assert!(
        validator.is_some_and(|one| one.validate_request_body && one.validate_request_parameters)
    );
    assert!(method.api_key_required && method.operation_name.as_deref() == Some("GetPet"));
    let parameters: Vec<_> =
        method.request_parameters.iter().map(|one| (&one.name[..], one.is_required)).collect();
    let expected = [("method.request.path.id", true), ("method.request.header.X-Version", false)];
    assert_eq!(parameters, expected);
    assert_eq!(method.request_models.get("application/json"), Some("Empty"));
    assert_eq!(method.method_response(200).expect("declared").headers, ["X-Kind"]);

    let integration = &method.integration;
    assert_eq!(integration.integration_type, IntegrationType::Http);
    assert_eq!(integration.connection_type, ConnectionType::VpcLink);
    assert_eq!(integration.passthrough_behavior, PassthroughBehavior::Never);
    assert_eq!(integration.content_handling, Some(ContentHandling::ConvertToText));
    assert_eq!((integration.timeout_ms, integration.insecure_skip_verification), (500, true));
    assert_eq!(integration.cache_key_parameters, ["method.request.path.id"]);
    assert_eq!(integration.cache_namespace.as_deref(), Some("pets"));
    let mappings: Vec<_> = integration.request_parameters.iter().map(|(name, _)| name).collect();
    assert_eq!(mappings, ["integration.request.path.id", "integration.request.header.A"]);
    let response = &integration.integration_responses[0];
    let pattern = response.selection_pattern.as_deref();
    assert_eq!((response.status_code, pattern), (200, Some("2\\d\\d")));
    assert_eq!(response.content_handling, Some(ContentHandling::ConvertToBinary));

    let proxy = method_at("/{proxy+}");
    assert_eq!((proxy.http_method, &proxy.authorization), (RouteMethod::Any, &Authorization::None));
    let transfer = proxy.integration.response_transfer_mode;
    assert_eq!((transfer, proxy.integration.timeout_ms), (ResponseTransferMode::Stream, 29_000));
}

/// An HTTP API that uses all that the views show, deployed to a stage that deploys itself.
fn http_api() -> (String, DeployedStage) {
    let management = TestApi::new();
    let id = management.make(
        "/v2/apis",
        "apiId",
        json!({
            "name": "shop", "protocolType": "HTTP",
            "corsConfiguration": {"allowOrigins": ["https://a"], "maxAge": -1},
        }),
    );
    let api = format!("/v2/apis/{id}");
    let integration = management.make(
        &format!("{api}/integrations"),
        "integrationId",
        json!({
            "integrationType": "HTTP_PROXY", "integrationMethod": "ANY",
            "integrationUri": "https://b/{id}", "timeoutInMillis": 700,
            "requestParameters": {"overwrite:header.b": "b", "append:header.a": "$context.stage"},
            "responseParameters": {"404": {"overwrite:statuscode": "200"}},
            "tlsConfig": {"serverNameToVerify": "c"},
        }),
    );
    let authorizer = management.make(
        &format!("{api}/authorizers"),
        "authorizerId",
        json!({
            "name": "tokens", "authorizerType": "JWT",
            "identitySource": ["$request.header.Authorization"],
            "jwtConfiguration": {"issuer": "https://i", "audience": ["us"]},
        }),
    );
    management.run(
        "POST",
        &format!("{api}/routes"),
        json!({
            "routeKey": "GET /items/{id}", "target": format!("integrations/{integration}"),
            "authorizationType": "JWT", "authorizerId": authorizer,
            "authorizationScopes": ["read"],
        }),
    );
    management.run("POST", &format!("{api}/routes"), json!({"routeKey": "$default"}));
    management.run(
        "POST",
        &format!("{api}/stages"),
        json!({
            "stageName": "$default", "autoDeploy": true, "stageVariables": {"v": "1"},
            "defaultRouteSettings": {"throttlingBurstLimit": 9, "throttlingRateLimit": 2.5},
            "routeSettings": {"GET /items/{id}": {"throttlingBurstLimit": 1}},
            "accessLogSettings": {"destinationArn": "arn:aws:logs:us-east-1:1:log-group:a"},
        }),
    );
    (id, management.deployed())
}

#[test]
fn an_http_api_and_its_stage_are_read_as_they_were_made() {
    let (id, deployed) = http_api();
    let stage = HttpStage::read(&id, &deployed.stage).expect("a stage");
    assert_eq!((&stage.stage_name[..], stage.stage_variables.get("v")), ("$default", Some("1")));
    assert!(stage.deployment_id.is_some() && stage.access_log_settings.is_some());
    let throttle = |burst_count| Some(Throttle { rate_per_second: 2.5, burst_count });
    assert_eq!(stage.settings_for("GET /items/{id}").throttle(), throttle(1));
    assert_eq!(stage.settings_for("$default").throttle(), throttle(9));

    let api = HttpApi::read(&deployed.snapshot.expect("deployed")).expect("an API");
    assert_eq!((&api.id, api.protocol), (&id, http_api::ProtocolType::Http));
    let cors = api.cors_configuration.as_ref().expect("cors");
    assert_eq!((&cors.allow_origins[0][..], cors.max_age_s), ("https://a", Some(-1)));
    let key = |text| HttpRouteKey::Request(RouteKey::parse(text).expect("a key"));
    let find = |text| api.routes.iter().find(|one| one.key == key(text)).expect("a route");
    assert_eq!(find("$default").integration_id, None);
    let route = find("GET /items/{id}");
    let authorizer_id = api.authorizers[0].id.clone();
    let scopes = vec!["read".to_owned()];
    assert_eq!(route.authorization, Authorization::Jwt { authorizer_id, scopes });
    let id = route.integration_id.as_deref().expect("a target");
    let integration = api.integration(id).expect("an integration");
    assert_eq!(
        (integration.timeout_ms, integration.server_name_to_verify.as_deref()),
        (700, Some("c"))
    );
    let names: Vec<_> = integration.request_parameters.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["overwrite:header.b", "append:header.a"]);
    let mappings = integration.response_parameters_for(404).expect("mappings");
    assert_eq!(mappings.get("overwrite:statuscode"), Some("200"));
    let issuer = "https://i".to_owned();
    let kind = http_api::HttpAuthorizerKind::Jwt { issuer, audience: vec!["us".to_owned()] };
    assert_eq!(api.authorizers[0].kind, kind);
}

#[test]
fn an_api_by_quick_create_is_read() {
    let management = TestApi::new();
    let quick = json!({"name": "q", "protocolType": "HTTP", "target": "http://b"});
    let id = management.make("/v2/apis", "apiId", quick);
    let deployed = management.deployed();
    let stage = HttpStage::read(&id, &deployed.stage).expect("a stage");
    assert_eq!(stage.settings_for("$default").throttle(), None);
    let api = HttpApi::read(&deployed.snapshot.expect("deployed")).expect("an API");
    assert_eq!(api.routes[0].key.text(), "$default");
    let target = api.routes[0].integration_id.as_deref().and_then(|id| api.integration(id));
    assert_eq!(target.and_then(|one| one.integration_uri.as_deref()), Some("http://b"));
}

#[test]
fn a_websocket_api_is_read_with_its_responses() {
    let management = TestApi::new();
    let id = management.make(
        "/v2/apis",
        "apiId",
        json!({
            "name": "chat", "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        }),
    );
    let api = format!("/v2/apis/{id}");
    let integration = management.make(
        &format!("{api}/integrations"),
        "integrationId",
        json!({"integrationType": "MOCK", "requestTemplates": {"$default": "{}"}}),
    );
    management.run(
        "POST",
        &format!("{api}/integrations/{integration}/integrationresponses"),
        json!({"integrationResponseKey": "/5\\d\\d/", "responseTemplates": {"$default": "x"}}),
    );
    let route = management.make(
        &format!("{api}/routes"),
        "routeId",
        json!({
            "routeKey": "$connect", "target": format!("integrations/{integration}"),
            "apiKeyRequired": true,
            "requestParameters": {"route.request.querystring.t": {"required": true}},
        }),
    );
    let responses = format!("{api}/routes/{route}/routeresponses");
    management.run("POST", &responses, json!({"routeResponseKey": "$default"}));
    management.run("POST", &format!("{api}/stages"), json!({"stageName": "prod"}));
    management.run("POST", &format!("{api}/deployments"), json!({"stageName": "prod"}));
    let deployed = management.deployed();
    HttpStage::read(&id, &deployed.stage).expect("a stage");
    let api = HttpApi::read(&deployed.snapshot.expect("deployed")).expect("an API");
    let route = &api.routes[0];
    assert_eq!(route.key, HttpRouteKey::Selection("$connect".into()));
    assert!(route.api_key_required && route.request_parameters[0].is_required);
    assert_eq!(route.route_responses[0].route_response_key, "$default");
    let integration = &api.integrations[0];
    assert_eq!(
        (integration.integration_type, integration.timeout_ms),
        (IntegrationType::Mock, 29_000)
    );
    assert_eq!(integration.integration_responses[0].integration_response_key, "/5\\d\\d/");
}

/// Every member in turn is taken away, or replaced by something else.
fn spoiled(document: &Document) -> Vec<(String, Document)> {
    let whole = Value::Object(document.clone());
    let mut pointers = Vec::new();
    collect_pointers(&whole, String::new(), &mut pointers);
    let others = [
        json!(null),
        json!(true),
        json!(-7),
        json!(1.5),
        json!("\u{0}"),
        json!(""),
        json!([1]),
        json!({"x": 1}),
    ];
    let spoil = |(pointer, other): (&String, &Value)| {
        let mut spoiled = whole.clone();
        *spoiled.pointer_mut(pointer).expect("a member") = other.clone();
        (format!("{pointer} = {other}"), spoiled.as_object().expect("an object").clone())
    };
    pointers
        .iter()
        .flat_map(|pointer| others.iter().map(move |other| (pointer, other)))
        .map(spoil)
        .collect()
}

fn collect_pointers(value: &Value, at: String, pointers: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(table) => {
            for (name, inner) in table {
                collect_pointers(inner, format!("{at}/{}", escaped(name)), pointers);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect_pointers(inner, format!("{at}/{index}"), pointers);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        pointers.push(at);
    }
}

/// Reads each spoiled document: an error names the API, and none ends the process. Returns how
/// many were refused.
fn refused<T>(
    document: &Document,
    id: &str,
    read: impl Fn(&Document) -> Result<T, ModelError>,
) -> usize {
    let all = spoiled(document);
    let errors = all.iter().filter_map(|(what, document)| Some((what, read(document).err()?)));
    let named = errors.inspect(|(what, error)| {
        let is_of_id = what.starts_with("/api = ")
            || what.starts_with("/api/id")
            || what.starts_with("/api/apiId");
        assert!(is_of_id || error.place.starts_with(&format!("API `{id}`")), "{what}: {error}");
        assert!(!error.field.is_empty() && !error.reason.is_empty(), "{what}: {error}");
    });
    named.count()
}

#[test]
fn documents_that_cannot_be_read_say_where() {
    let (id, deployed) = rest_api();
    let stage_refused = refused(&deployed.stage, &id, |one| RestStage::read(&id, one));
    assert!(stage_refused > 50, "{stage_refused}");
    let snapshot_refused = refused(&deployed.snapshot.expect("deployed"), &id, RestApi::read);
    assert!(snapshot_refused > 300, "{snapshot_refused}");
    let (id, deployed) = http_api();
    let stage_refused = refused(&deployed.stage, &id, |one| HttpStage::read(&id, one));
    assert!(stage_refused > 50, "{stage_refused}");
    let snapshot_refused = refused(&deployed.snapshot.expect("deployed"), &id, HttpApi::read);
    assert!(snapshot_refused > 150, "{snapshot_refused}");
}

const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
    arn:aws:lambda:us-east-1:111111111111:function:f/invocations";
