//! Events in payload format 2.0, which HTTP APIs alone have.
//!
//! AWS: "Working with AWS Lambda proxy integrations for HTTP APIs", section "Payload format
//! version".

use super::event_fields::{EventScratch, decode_or_keep};
use super::members::Members;
use super::proxy_request::{ProxyRequest, write_client_certificate};
use crate::base::write_json_string;

/// Appends the event. Maps without members are left out. Cookies are in a list of their own, each
/// for itself, and not among the headers.
pub fn event_v2(request: &ProxyRequest<'_>, scratch: &mut EventScratch, out: &mut Vec<u8>) {
    let mut event = Members::open(out);
    event.text("version", b"2.0");
    event.text("routeKey", request.route_key.as_bytes());
    write_path(request, &mut scratch.text, event.name("rawPath"));
    event.text("rawQueryString", request.query);
    write_headers(request, scratch, &mut event);
    let EventScratch { fields, text } = scratch;
    fields.clear();
    fields.push_query(request.query);
    fields.sort();
    if !fields.is_empty() {
        fields.write_joined(text, event.name("queryStringParameters"));
    }
    write_context(request, text, event.name("requestContext"));
    if !request.body.is_absent() {
        request.body.write(event.name("body"));
    }
    fields.clear();
    (request.path_parameters)(&mut |name, raw| fields.push_path_parameter(name, raw));
    fields.sort();
    if !fields.is_empty() {
        fields.write_last(event.name("pathParameters"));
    }
    event.flag("isBase64Encoded", request.body.is_base64());
    if let Some(variables) = request.stage_variables {
        event.json("stageVariables", variables);
    }
    event.close();
}

fn write_headers(
    request: &ProxyRequest<'_>,
    EventScratch { fields, text }: &mut EventScratch,
    event: &mut Members<'_>,
) {
    fields.clear();
    let mut has_cookies = false;
    (request.headers)(&mut |name, value| match is_cookie(name) {
        true => has_cookies |= cookies(value).next().is_some(),
        false => fields.push_header(name, value, true),
    });
    fields.sort();
    if has_cookies {
        write_cookies(request, event.name("cookies"));
    }
    if !fields.is_empty() {
        fields.write_joined(text, event.name("headers"));
    }
}

/// `text` is scratch.
fn write_context(request: &ProxyRequest<'_>, text: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut context = Members::open(out);
    context.text("accountId", request.account_id.as_bytes());
    context.text("apiId", request.api_id.as_bytes());
    if let Some(certificate) = request.client_certificate {
        let mut authentication = Members::open(context.name("authentication"));
        write_client_certificate(authentication.name("clientCert"), certificate);
        authentication.close();
    }
    if let Some(authorizer) = request.authorizer {
        context.json("authorizer", authorizer);
    }
    context.text("domainName", request.domain_name);
    context.text("domainPrefix", request.domain_prefix);
    write_http(request, text, context.name("http"));
    context.text("requestId", request.request_id.as_bytes());
    context.text("routeKey", request.route_key.as_bytes());
    context.text("stage", request.stage.as_bytes());
    context.text("time", request.time.as_bytes());
    context.number("timeEpoch", request.time_epoch_ms);
    context.close();
}

fn write_http(request: &ProxyRequest<'_>, text: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut http = Members::open(out);
    http.text("method", request.method);
    write_path(request, text, http.name("path"));
    http.text("protocol", request.protocol.as_bytes());
    http.text("sourceIp", request.identity.source_ip.as_bytes());
    http.text("userAgent", request.identity.user_agent.unwrap_or_default());
    http.close();
}

fn write_path(request: &ProxyRequest<'_>, text: &mut Vec<u8>, out: &mut Vec<u8>) {
    text.clear();
    decode_or_keep(request.path_with_stage, text);
    write_json_string(out, text);
}

fn is_cookie(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"cookie")
}

/// The cookies of one field, without the blanks between them.
fn cookies(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|cookie| !cookie.is_empty())
}

/// Appends the list; there is at least one cookie.
fn write_cookies(request: &ProxyRequest<'_>, out: &mut Vec<u8>) {
    let mut mark = b'[';
    (request.headers)(&mut |name, value| {
        if is_cookie(name) {
            for cookie in cookies(value) {
                out.push(mark);
                write_json_string(out, cookie);
                mark = b',';
            }
        }
    });
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::EventBody;
    use super::super::test_request::{Parts, certificate, keys};
    use super::*;

    fn event(parts: &Parts, change: impl FnOnce(&mut ProxyRequest<'_>)) -> Value {
        let certificate = certificate();
        parts.with_request(&certificate, change, |request| {
            let mut out = Vec::new();
            event_v2(request, &mut EventScratch::new(), &mut out);
            serde_json::from_slice(&out)
                .unwrap_or_else(|error| panic!("{error}: {}", out.escape_ascii()))
        })
    }

    #[test]
    fn payload_format_version_2() {
        let mut parts = Parts::sample();
        parts.header("Cookie", "cookie1=a; cookie2=b");
        parts.header("cookie", "cookie3=c");
        let event = event(&parts, |request| request.authorizer = Some(br#"{"lambda":{"k":"v"}}"#));
        let certificate = json!({
            "clientCertPem": "CERT_CONTENT", "subjectDN": "www.example.com",
            "issuerDN": "Example issuer", "serialNumber": "a1:a1",
            "validity": {
                "notBefore": "May 28 12:30:02 2019 GMT",
                "notAfter": "Aug  5 09:36:04 2021 GMT",
            },
        });
        let wanted = json!({
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": "/testStage/hello/world",
            "rawQueryString": "name=me&name=me2",
            "cookies": ["cookie1=a", "cookie2=b", "cookie3=c"],
            "headers": {"accept": "*/*", "headername": "headerValue,headerValue2"},
            "queryStringParameters": {"name": "me,me2"},
            "requestContext": {
                "accountId": "123456789012", "apiId": "gy415nuibc",
                "authentication": {"clientCert": certificate},
                "authorizer": {"lambda": {"k": "v"}},
                "domainName": "gy415nuibc.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "gy415nuibc",
                "http": {
                    "method": "POST", "path": "/testStage/hello/world", "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1", "userAgent": "agent",
                },
                "requestId": "id", "routeKey": "ANY /{proxy+}", "stage": "testStage",
                "time": "04/Mar/2020:19:15:17 +0000", "timeEpoch": 1_583_349_317_135_u64,
            },
            "body": "{\r\n\t\"a\": 1\r\n}", "pathParameters": {"proxy": "hello/world"},
            "isBase64Encoded": false, "stageVariables": {"stageVariableName": "stageVariableValue"},
        });
        assert_eq!(event, wanted);
    }

    #[test]
    fn maps_without_members_are_left_out() {
        let event = event(&Parts::empty(), |request| request.client_certificate = None);
        let wanted = [
            "isBase64Encoded",
            "rawPath",
            "rawQueryString",
            "requestContext",
            "routeKey",
            "version",
        ];
        assert_eq!(keys(&event), wanted);
        assert!(!keys(&event["requestContext"]).contains(&"authentication"));
        assert!(!keys(&event["requestContext"]).contains(&"authorizer"));
    }

    #[test]
    fn a_path_is_decoded_and_a_binary_body_in_base64() {
        let event = event(&Parts::sample(), |request| {
            request.path_with_stage = b"/a%20b/c";
            request.body = EventBody::new(b"\xff", true);
        });
        assert_eq!(event["rawPath"], "/a b/c");
        assert_eq!(event["body"], "/w==");
        assert_eq!(event["isBase64Encoded"], true);
    }

    proptest! {
        #[test]
        fn an_event_is_json_and_gives_back_what_was_sent(parts in any::<Parts>()) {
            parts.check_v2(&event(&parts, |_| {}));
        }
    }
}
