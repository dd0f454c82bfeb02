//! Documents that cannot be served: what is said of them. What the operations store is read in
//! `control::management::views_tests`.

use serde_json::{Value, json};

use super::*;
use crate::model::{Document, EndpointType, TextMap};

fn document(value: Value) -> Document {
    value.as_object().cloned().expect("an object")
}

/// An API of one method, with `changes` over the method's members.
fn snapshot(path: &str, changes: Value) -> Document {
    let mut method = document(json!({
        "httpMethod": "GET",
        "authorizationType": "NONE",
        "methodIntegration": {"type": "MOCK"},
    }));
    method.extend(document(changes));
    document(json!({
        "api": {"id": "a1", "name": "pets"},
        "resources": {"r1": {"id": "r1", "path": path, "resourceMethods": {"GET": method}}},
        "models": {}, "authorizers": {}, "requestvalidators": {}, "gatewayresponses": {},
    }))
}

fn said(path: &str, changes: Value) -> String {
    RestApi::read(&snapshot(path, changes)).expect_err("it cannot be served").to_string()
}

#[test]
fn the_least_that_an_api_can_be_is_read_with_defaults() {
    let api = RestApi::read(&snapshot("/pets", json!({}))).expect("an API");
    assert_eq!(api.api_key_source, ApiKeySource::Header);
    assert_eq!(api.endpoint_configuration.types, [EndpointType::Edge]);
    assert_eq!((api.minimum_compression_bytes, api.disable_execute_api_endpoint), (None, false));
    let method = &api.resources[0].methods[0];
    assert_eq!((method.api_key_required, method.integration.timeout_ms), (false, 29_000));
    assert_eq!(method.integration.response_transfer_mode, ResponseTransferMode::Buffered);
    let stage = RestStage::read("a1", &document(json!({"stageName": "prod"}))).expect("a stage");
    assert!(stage.deployment_id.is_none() && stage.method_settings.is_empty());
    assert_eq!(stage.canary_variables(), TextMap::default());
}

#[test]
fn mistakes_of_a_method_name_api_resource_method_and_member() {
    let place = "API `a1`, resource `/pets/{id}`, method `GET`";
    for (changes, expected) in [
        (json!({"methodIntegration": null}), "`methodIntegration` is missing"),
        (json!({"authorizationType": "FOO"}), "`authorizationType` is `FOO`, expected one of NONE"),
        (json!({"authorizationType": "CUSTOM"}), "`authorizerId` is missing"),
        (
            json!({"authorizationType": "CUSTOM", "authorizerId": "x"}),
            "`authorizerId` names authorizer `x`, which the deployment does not have",
        ),
        (
            json!({"requestValidatorId": "x"}),
            "`requestValidatorId` names validator `x`, which the deployment does not have",
        ),
        (
            json!({"requestParameters": {"method.request.path.id": 1}}),
            "`requestParameters/method.request.path.id` is 1, expected true or false",
        ),
    ] {
        let error = said("/pets/{id}", changes);
        assert!(error.starts_with(&format!("{place}: {expected}")), "{error}");
    }
    let error = said("/pets", json!({"methodResponses": {"20": {}}}));
    assert!(error.contains("method response `20`: `statusCode` is `20`"), "{error}");
}

#[test]
fn mistakes_of_an_integration_name_it() {
    let place = "API `a1`, resource `/`, method `GET`, methodIntegration";
    for (integration, expected) in [
        (json!({}), "`type` is missing"),
        (json!({"type": "FOO"}), "`type` is `FOO`, expected one of HTTP"),
        (json!({"type": "HTTP"}), "`uri` is missing"),
        (json!({"type": "MOCK", "timeoutInMillis": 49}), "`timeoutInMillis` is 49, expected"),
        (json!({"type": "MOCK", "contentHandling": "x"}), "`contentHandling` is `x`, expected"),
        (json!({"type": "MOCK", "tlsConfig": 1}), "`tlsConfig` is 1, expected an object"),
    ] {
        let error = said("/", json!({ "methodIntegration": integration }));
        assert!(error.starts_with(&format!("{place}: {expected}")), "{error}");
    }
}

#[test]
fn paths_that_could_never_match_are_refused() {
    for (path, expected) in [
        ("pets", "begins with `/`"),
        ("/{a+}/b", "nothing may follow"),
        ("/{a}/{a}", "named twice"),
        ("/..", "no `.` and no `..`"),
    ] {
        let error = said(path, json!({}));
        assert!(error.starts_with(&format!("API `a1`, resource `{path}`: `path` is")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn mistakes_of_other_parts_name_them() {
    for (part, one, expected) in [
        ("authorizers", json!({"type": "TOKEN"}), "authorizer `x`: `authorizerUri` is missing"),
        ("authorizers", json!({"type": "JWT"}), "authorizer `x`: `jwtConfiguration` is missing"),
        ("authorizers", json!({}), "authorizer `x`: `type` is missing"),
        ("models", json!({"name": "x"}), "model `x`: `contentType` is missing"),
        ("gatewayresponses", json!({}), "gateway response `x`: `responseType` is unknown"),
        (
            "requestvalidators",
            json!({"validateRequestBody": "true"}),
            "request validator `x`: `validateRequestBody` is \"true\", expected true or false",
        ),
    ] {
        let mut snapshot = snapshot("/", json!({}));
        snapshot.insert(part.into(), json!({ "x": one }));
        let error = RestApi::read(&snapshot).expect_err(expected).to_string();
        assert_eq!(error, format!("API `a1`, {expected}"));
    }
    let error = RestApi::read(&Document::new()).expect_err("nothing").to_string();
    assert_eq!(error, "API: `api` is missing");
}

#[test]
fn mistakes_of_a_stage_name_it() {
    for (changes, expected) in [
        (json!({"variables": {"v": 1}}), ": `variables/v` is 1, expected a text"),
        (
            json!({"canarySettings": {"percentTraffic": 101}}),
            ", canarySettings: `percentTraffic` is 101, expected a number from 0 to 100",
        ),
        (
            json!({"methodSettings": {"*/*": {"cacheTtlInSeconds": 3_601}}}),
            ", method settings `*/*`: `cacheTtlInSeconds` is 3601, expected an integer from -1 to 3600",
        ),
        (
            json!({"accessLogSettings": {"format": []}}),
            ", accessLogSettings: `format` is a list, expected a text",
        ),
    ] {
        let mut stage = document(json!({"stageName": "prod"}));
        stage.extend(document(changes));
        let error = RestStage::read("a1", &stage).expect_err(expected).to_string();
        assert_eq!(error, format!("API `a1`, stage `prod`{expected}"));
    }
}

#[test]
fn a_jwt_configuration_is_read_whole() {
    let mut snapshot = snapshot("/", json!({}));
    let issuer = json!({
        "issuer": "https://i", "audiences": ["us"], "jwksUri": "https://k",
        "additionalClaims": [{"claimName": "c", "required": true, "expectedValues": ["v"]}],
    });
    let configuration = json!({"issuers": [issuer], "defaultAlgorithms": ["RS256"]});
    let authorizer = json!({"type": "JWT", "jwtConfiguration": configuration});
    snapshot.insert("authorizers".into(), json!({ "x": authorizer }));
    let api = RestApi::read(&snapshot).expect("an API");
    let authorizer = api.authorizer("x").expect("an authorizer");
    assert_eq!(authorizer.result_ttl_s, 0);
    let jwt = authorizer.jwt_configuration.as_ref().expect("its configuration");
    assert_eq!(jwt.default_algorithms, ["RS256"]);
    assert_eq!(jwt.issuers[0].jwks_uri.as_deref(), Some("https://k"));
    let claim = &jwt.issuers[0].additional_claims[0];
    assert_eq!((&claim.claim_name[..], claim.is_required), ("c", true));
}
