//! Documents that cannot be served: what is said of them. What the operations store is read in
//! `control::management::views_tests`.

use serde_json::{Value, json};

use super::*;
use crate::model::{Document, Throttle};

fn document(value: Value) -> Document {
    value.as_object().cloned().expect("an object")
}

fn snapshot(protocol: &str, route: Value, integration: Value) -> Document {
    document(json!({
        "api": {
            "apiId": "a1", "name": "shop", "protocolType": protocol,
            "routeSelectionExpression": "$request.body.action",
        },
        "routes": {"r1": route},
        "integrations": {"i1": integration},
        "authorizers": {}, "models": {},
    }))
}

fn said(protocol: &str, route: Value, integration: Value) -> String {
    let snapshot = snapshot(protocol, route, integration);
    HttpApi::read(&snapshot).expect_err("it cannot be served").to_string()
}

#[test]
fn the_least_that_an_api_can_be_is_read_with_defaults() {
    let (route, mock) = (json!({"routeKey": "GET /x"}), json!({"integrationType": "MOCK"}));
    let api = HttpApi::read(&snapshot("HTTP", route, mock)).expect("an API");
    assert_eq!(api.api_key_selection_expression, "$request.header.x-api-key");
    assert_eq!((api.cors_configuration.is_none(), api.disable_execute_api_endpoint), (true, false));
    assert_eq!((api.routes[0].integration_id.is_none(), &api.routes[0].id[..]), (true, "r1"));
    let integration = api.integration("i1").expect("it is there");
    assert_eq!(integration.timeout_ms, 30_000);
    assert_eq!(integration.payload_format_version, PayloadFormatVersion::V1);
    assert!(api.integration("i2").is_none() && api.authorizer("x").is_none());
}

#[test]
fn mistakes_name_api_route_and_member() {
    let mock = || json!({"integrationType": "MOCK"});
    for (route, expected) in [
        (json!({}), "`r1`: `routeKey` is missing"),
        (json!({"routeKey": "GET x"}), "`GET x`: `routeKey` is `GET x`: a path begins with `/`"),
        (
            json!({"routeKey": "GET /x", "target": "integrations/i2"}),
            "`GET /x`: `target` is `integrations/i2`, which the deployment does not have",
        ),
        (
            json!({"routeKey": "GET /x", "target": "i1"}),
            "`GET /x`: `target` is `i1`, which the deployment does not have",
        ),
        (
            json!({"routeKey": "GET /x", "authorizationType": "JWT", "authorizerId": "x"}),
            "`GET /x`: `authorizerId` names authorizer `x`, which the deployment does not have",
        ),
    ] {
        let error = said("HTTP", route, mock());
        assert!(error.starts_with(&format!("API `a1`, route {expected}")), "{error}");
    }
    // What is no key of requests may be one of messages.
    let messages = HttpApi::read(&snapshot("WEBSOCKET", json!({"routeKey": "GET x"}), mock()));
    assert_eq!(messages.expect("an API").routes[0].key, HttpRouteKey::Selection("GET x".into()));
}

#[test]
fn mistakes_of_an_integration_name_it() {
    let route = || json!({"routeKey": "$default"});
    for (integration, expected) in [
        (json!({"integrationType": "HTTP_PROXY"}), "`integrationUri` is missing"),
        (
            json!({"integrationType": "MOCK", "payloadFormatVersion": "3.0"}),
            "`payloadFormatVersion` is `3.0`, expected one of 1.0, 2.0",
        ),
        (
            json!({"integrationType": "MOCK", "responseParameters": {"default": {}}}),
            "`responseParameters` has `default`, expected a status from 100 to 599",
        ),
    ] {
        let error = said("HTTP", route(), integration);
        assert_eq!(error, format!("API `a1`, integration `i1`: {expected}"));
    }
    let nested = json!({"integrationType": "MOCK", "responseParameters": {"200": {"a": 1}}});
    let error = said("HTTP", route(), nested);
    assert!(error.contains("responseParameters: `200/a` is 1, expected a text"), "{error}");
    // An action of a service needs no URI.
    let action = json!({"integrationType": "AWS_PROXY", "integrationSubtype": "SQS-SendMessage"});
    assert!(HttpApi::read(&snapshot("HTTP", route(), action)).is_ok());
}

#[test]
fn settings_of_a_route_go_before_those_of_all_member_by_member() {
    let stage = json!({
        "stageName": "prod",
        "defaultRouteSettings": {"throttlingRateLimit": 5.0, "detailedMetricsEnabled": true},
        "routeSettings": {
            "GET /a": {"detailedMetricsEnabled": false},
            "GET /b": {"throttlingBurstLimit": 0, "throttlingRateLimit": 0},
        },
    });
    let stage = HttpStage::read("a1", &document(stage)).expect("a stage");
    let settings = stage.settings_for("GET /a");
    assert_eq!(settings.detailed_metrics_enabled, Some(false));
    let half = Throttle { rate_per_second: 5.0, ..Throttle::ACCOUNT };
    assert_eq!(settings.throttle(), Some(half));
    let none = Throttle { rate_per_second: 0.0, burst_count: 0 };
    assert_eq!(stage.settings_for("GET /b").throttle(), Some(none));
    assert_eq!(RouteSettings::default().throttle(), None);
}

#[test]
fn mistakes_of_a_stage_name_it() {
    let stage = json!({
        "stageName": "prod", "routeSettings": {"GET /a": {"throttlingRateLimit": -1}},
    });
    let error = HttpStage::read("a1", &document(stage)).expect_err("a rate below zero").to_string();
    let place = "API `a1`, stage `prod`, route settings `GET /a`: `throttlingRateLimit` is -1";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn functions_and_issuers_are_told_apart() {
    let read = |authorizer: Value| {
        let mut snapshot =
            snapshot("HTTP", json!({"routeKey": "$default"}), json!({"integrationType": "MOCK"}));
        snapshot.insert("authorizers".into(), json!({ "x": authorizer }));
        HttpApi::read(&snapshot).map(|api| api.authorizers[0].kind.authorizer_type())
    };
    let function = json!({"authorizerType": "REQUEST", "authorizerUri": "arn:"});
    assert_eq!(read(function), Ok(HttpAuthorizerType::Request));
    let jwt = json!({"authorizerType": "JWT", "jwtConfiguration": {"issuer": "https://i"}});
    assert_eq!(read(jwt), Ok(HttpAuthorizerType::Jwt));
    let error = read(json!({"authorizerType": "JWT"})).expect_err("no issuer").to_string();
    assert_eq!(error, "API `a1`, authorizer `x`: `jwtConfiguration` is missing");
}
