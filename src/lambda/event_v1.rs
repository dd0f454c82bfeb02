//! Events in payload format 1.0, of REST APIs and of HTTP APIs.
//!
//! AWS: "Set up Lambda proxy integrations in API Gateway", section "Input format of a Lambda
//! function for proxy integration"; "Working with AWS Lambda proxy integrations for HTTP APIs".

use super::Flavour;
use super::event_fields::{EventFields, EventScratch};
use super::members::Members;
use super::proxy_request::{Identity, ProxyRequest, write_client_certificate};

/// Appends the event. Maps without members are `null`; HTTP APIs have `version`, and names of
/// headers in lower case.
pub fn event_v1(
    request: &ProxyRequest<'_>,
    flavour: Flavour,
    scratch: &mut EventScratch,
    out: &mut Vec<u8>,
) {
    let mut event = Members::open(out);
    if flavour == Flavour::Http {
        event.text("version", b"1.0");
    }
    event.text("resource", request.resource.as_bytes());
    event.text("path", request.path);
    event.text("httpMethod", request.method);
    let fields = &mut scratch.fields;
    load_headers(request, flavour, fields);
    fields.write_last(event.name("headers"));
    fields.write_lists(event.name("multiValueHeaders"));
    fields.clear();
    fields.push_query(request.query);
    fields.sort();
    fields.write_last(event.name("queryStringParameters"));
    fields.write_lists(event.name("multiValueQueryStringParameters"));
    fields.clear();
    (request.path_parameters)(&mut |name, raw| fields.push_path_parameter(name, raw));
    fields.sort();
    fields.write_last(event.name("pathParameters"));
    event.json("stageVariables", request.stage_variables.unwrap_or(b"null"));
    write_context(request, flavour, event.name("requestContext"));
    request.body.write(event.name("body"));
    event.flag("isBase64Encoded", request.body.is_base64());
    event.close();
}

fn load_headers(request: &ProxyRequest<'_>, flavour: Flavour, fields: &mut EventFields) {
    fields.clear();
    let to_lowercase = flavour == Flavour::Http;
    (request.headers)(&mut |name, value| fields.push_header(name, value, to_lowercase));
    fields.sort();
}

/// Members in AWS's order.
fn write_context(request: &ProxyRequest<'_>, flavour: Flavour, out: &mut Vec<u8>) {
    let mut context = Members::open(out);
    context.text("accountId", request.account_id.as_bytes());
    context.text("apiId", request.api_id.as_bytes());
    match (request.authorizer, flavour) {
        (Some(authorizer), _) => context.json("authorizer", authorizer),
        (None, Flavour::Http) => context.json("authorizer", br#"{"claims":null,"scopes":null}"#),
        (None, Flavour::Rest) => {}
    }
    context.text_if_any("deploymentId", request.deployment_id);
    context.text("domainName", request.domain_name);
    context.text("domainPrefix", request.domain_prefix);
    context.text("extendedRequestId", request.extended_request_id.as_bytes());
    context.text("httpMethod", request.method);
    write_identity(request, context.name("identity"));
    if let Some(is_canary) = request.is_canary {
        context.flag("isCanaryRequest", is_canary);
    }
    context.text_if_any("operationName", request.operation_name);
    context.text("path", request.path_with_stage);
    context.text("protocol", request.protocol.as_bytes());
    context.text("requestId", request.request_id.as_bytes());
    context.text("requestTime", request.time.as_bytes());
    context.number("requestTimeEpoch", request.time_epoch_ms);
    context.text_or_null("resourceId", request.resource_id);
    context.text("resourcePath", request.resource.as_bytes());
    context.text("stage", request.stage.as_bytes());
    context.close();
}

/// What nothing is known of is `null`; what a feature alone brings is left out without it.
fn write_identity(request: &ProxyRequest<'_>, out: &mut Vec<u8>) {
    let from: &Identity<'_> = &request.identity;
    let mut identity = Members::open(out);
    identity.text_or_null("accessKey", from.access_key);
    identity.text_or_null("accountId", from.account_id);
    identity.text_if_any("apiKey", from.api_key);
    identity.text_if_any("apiKeyId", from.api_key_id);
    identity.text_or_null("caller", from.caller);
    if let Some(certificate) = request.client_certificate {
        write_client_certificate(identity.name("clientCert"), certificate);
    }
    identity.text_or_null("cognitoAuthenticationProvider", from.cognito_authentication_provider);
    identity.text_or_null("cognitoAuthenticationType", from.cognito_authentication_type);
    identity.text_or_null("cognitoIdentityId", from.cognito_identity_id);
    identity.text_or_null("cognitoIdentityPoolId", from.cognito_identity_pool_id);
    identity.text_or_null("principalOrgId", from.principal_org_id);
    identity.text("sourceIp", from.source_ip.as_bytes());
    identity.text_or_null("user", from.user);
    match from.user_agent {
        Some(agent) => identity.text("userAgent", agent),
        None => identity.json("userAgent", b"null"),
    }
    identity.text_or_null("userArn", from.user_arn);
    identity.text_if_any("vpcId", from.vpc_id);
    identity.text_if_any("vpceId", from.vpce_id);
    identity.close();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::EventBody;
    use super::super::test_request::{Parts, certificate, keys};
    use super::*;

    fn event(parts: &Parts, flavour: Flavour, change: impl FnOnce(&mut ProxyRequest<'_>)) -> Value {
        let certificate = certificate();
        parts.with_request(&certificate, change, |request| {
            let mut out = b"before".to_vec();
            event_v1(request, flavour, &mut EventScratch::new(), &mut out);
            serde_json::from_slice(out.strip_prefix(b"before").expect("what was there stays"))
                .unwrap_or_else(|error| panic!("{error}: {}", out.escape_ascii()))
        })
    }

    fn plain(request: &mut ProxyRequest<'_>) {
        request.client_certificate = None;
    }

    const EVENT: [&str; 12] = [
        "body",
        "headers",
        "httpMethod",
        "isBase64Encoded",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
    ];

    #[test]
    fn input_format_of_a_lambda_function_for_proxy_integration() {
        let event = event(&Parts::sample(), Flavour::Rest, plain);
        assert_eq!(keys(&event), EVENT);
        assert_eq!(event["resource"], "/{proxy+}");
        assert_eq!(event["path"], "/hello/world");
        assert_eq!(event["httpMethod"], "POST");
        assert_eq!(event["headers"]["headerName"], "headerValue2");
        let list = json!(["headerValue", "headerValue2"]);
        assert_eq!(event["multiValueHeaders"]["headerName"], list);
        assert_eq!(event["multiValueHeaders"]["Accept"], json!(["*/*"]));
        assert_eq!(event["queryStringParameters"], json!({"name": "me2"}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"name": ["me", "me2"]}));
        assert_eq!(event["pathParameters"], json!({"proxy": "hello/world"}));
        assert_eq!(event["stageVariables"], json!({"stageVariableName": "stageVariableValue"}));
        assert_eq!(event["body"], "{\r\n\t\"a\": 1\r\n}");
        assert_eq!(event["isBase64Encoded"], false);
    }

    #[test]
    fn request_context_of_a_rest_api() {
        let event = event(&Parts::sample(), Flavour::Rest, plain);
        let identity = json!({
            "accessKey": null, "accountId": null, "caller": null,
            "cognitoAuthenticationProvider": null, "cognitoAuthenticationType": null,
            "cognitoIdentityId": null, "cognitoIdentityPoolId": null, "principalOrgId": null,
            "sourceIp": "192.0.2.1", "user": null, "userAgent": "agent", "userArn": null,
        });
        let wanted = json!({
            "accountId": "123456789012", "apiId": "gy415nuibc", "deploymentId": "d1",
            "domainName": "gy415nuibc.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "gy415nuibc", "extendedRequestId": "extended=", "httpMethod": "POST",
            "identity": identity, "path": "/testStage/hello/world", "protocol": "HTTP/1.1",
            "requestId": "id", "requestTime": "04/Mar/2020:19:15:17 +0000",
            "requestTimeEpoch": 1_583_349_317_135_u64, "resourceId": "roq9wj",
            "resourcePath": "/{proxy+}", "stage": "testStage",
        });
        assert_eq!(event["requestContext"], wanted);
    }

    #[test]
    fn http_apis_have_a_version_and_header_names_in_lower_case() {
        let event = event(&Parts::sample(), Flavour::Http, |request| request.resource_id = None);
        assert_eq!(event["version"], "1.0");
        assert_eq!(keys(&event).len(), EVENT.len() + 1);
        assert_eq!(event["headers"]["headername"], "headerValue2");
        let list = json!(["headerValue", "headerValue2"]);
        assert_eq!(event["multiValueHeaders"]["headername"], list);
        assert_eq!(event["requestContext"]["resourceId"], Value::Null);
        let authorizer = json!({"claims": null, "scopes": null});
        assert_eq!(event["requestContext"]["authorizer"], authorizer);
    }

    #[test]
    fn maps_without_members_are_null() {
        let event = event(&Parts::empty(), Flavour::Rest, plain);
        let nulls = event.as_object().expect("an object").iter().filter(|(_, one)| one.is_null());
        assert_eq!(nulls.count(), 7);
        assert_eq!(keys(&event), EVENT);
    }

    #[test]
    fn what_features_bring_is_there_with_them() {
        let event = event(&Parts::sample(), Flavour::Rest, |request| {
            request.operation_name = Some("GetPet");
            request.is_canary = Some(true);
            request.authorizer = Some(br#"{"principalId":"admin","clientId":1}"#);
            request.identity.api_key = Some("key");
            request.identity.vpc_id = Some("vpc-1");
            request.identity.user_agent = None;
        });
        let context = &event["requestContext"];
        assert_eq!(context["operationName"], "GetPet");
        assert_eq!(context["isCanaryRequest"], true);
        assert_eq!(context["authorizer"], json!({"principalId": "admin", "clientId": 1}));
        let identity = &context["identity"];
        assert_eq!((&identity["apiKey"], &identity["vpcId"]), (&json!("key"), &json!("vpc-1")));
        assert_eq!(identity["userAgent"], Value::Null);
        let wanted = json!({
            "clientCertPem": "CERT_CONTENT", "subjectDN": "www.example.com",
            "issuerDN": "Example issuer", "serialNumber": "a1:a1",
            "validity": {
                "notBefore": "May 28 12:30:02 2019 GMT",
                "notAfter": "Aug  5 09:36:04 2021 GMT",
            },
        });
        assert_eq!(identity["clientCert"], wanted);
    }

    #[test]
    fn a_binary_body_is_in_base64() {
        let event = event(&Parts::sample(), Flavour::Rest, |request| {
            request.body = EventBody::new(b"\xff\x00a", true);
        });
        assert_eq!(event["body"], "/wBh");
        assert_eq!(event["isBase64Encoded"], true);
    }

    proptest! {
        #[test]
        fn an_event_is_json_and_gives_back_what_was_sent(parts in any::<Parts>()) {
            for flavour in [Flavour::Rest, Flavour::Http] {
                parts.check_v1(&event(&parts, flavour, plain), flavour);
            }
        }
    }
}
