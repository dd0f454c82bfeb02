//! The headers that every answer has, and those that only some have.

use serde_json::json;

use crate::harness::{Answer, Managed, Request, RestApi, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Whether it is like `1b4e28ba-2fa1-11d2-883f-0016d3cca427`.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(is_digit)
}

#[track_caller]
fn assert_identified(answer: &Answer) -> (String, String) {
    let request_id = answer.header("x-amzn-requestid").expect("a request id");
    assert!(is_uuid(request_id), "{request_id}");
    let extended = answer.header("x-amz-apigw-id").expect("an extended request id");
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    assert!(extended.ends_with('=') && extended.bytes().all(is_base64), "{extended}");
    assert_eq!(answer.header("apigw-requestid"), None, "that is an HTTP API's");
    (request_id.to_owned(), extended.to_owned())
}

/// One method of each integration type that is served.
fn api_of_all_types<'g>(site: &'g Managed, backend: &Upstream) -> RestApi<'g> {
    let uri = format!("http://{}/", backend.address());
    let api = site.create_rest_api();
    api.mock("/mock", "GET", "ok");
    api.http_proxy("/proxy", "GET", &uri);
    api.put_method("/http", "GET", json!({}));
    api.put_integration("/http", "GET", json!({ "type": "HTTP", "httpMethod": "GET", "uri": uri }));
    api.put_method_response("/http", "GET", 200, json!({}));
    api.put_integration_response("/http", "GET", 200, json!({}));
    api.deploy("prod");
    api
}

#[test]
fn every_answer_has_both_request_ids() {
    let (site, backend) = (Managed::start(), Upstream::answering(OK));
    let api = api_of_all_types(&site, &backend);
    let mut seen = Vec::new();
    for (target, status) in
        [("/prod/mock", 200), ("/prod/proxy", 200), ("/prod/http", 200), ("/prod/nothing", 403)]
    {
        seen.push(assert_identified(&api.ask_for(status, &Request::get(target))));
        seen.push(assert_identified(&api.ask_for(status, &Request::get(target))));
    }
    let count = seen.len();
    seen.sort();
    seen.dedup_by(|one, other| one.0 == other.0 || one.1 == other.1);
    assert_eq!(seen.len(), count, "each request has ids of its own");
}

#[test]
fn an_id_that_a_client_sends_is_not_taken() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/mock", "GET", "ok");
    api.deploy("prod");
    let sent = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let request = Request::get("/prod/mock").header("x-amzn-RequestId", sent);
    let (request_id, _) = assert_identified(&api.ask_for(200, &request));
    assert_ne!(request_id, sent);
}

#[test]
fn only_answers_of_http_integrations_tell_the_trace() {
    let (site, backend) = (Managed::start(), Upstream::answering(OK));
    let api = api_of_all_types(&site, &backend);
    let answer = api.ask_for(200, &Request::get("/prod/http"));
    let trace = answer.header("x-amzn-trace-id").expect("a trace id");
    assert!(trace.starts_with("Root=1-"), "{trace}");
    for target in ["/prod/mock", "/prod/proxy", "/prod/nothing"] {
        let answer = api.ask(&Request::get(target));
        assert_eq!(answer.header("x-amzn-trace-id"), None, "{target}: {}", answer.head);
    }
}

#[test]
fn the_root_of_an_incoming_trace_is_kept() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api_of_all_types(&site, &backend);
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    for target in ["/prod/http", "/prod/proxy"] {
        let incoming = format!("{root};Parent=53995c3f42cd8ad8;Sampled=1");
        // The names are as good in lower case.
        for sent in [incoming.clone(), incoming.to_ascii_lowercase()] {
            let request = Request::get(target).header("X-Amzn-Trace-Id", &sent);
            api.ask_for(200, &request);
            let received = backend.requests().pop().expect("a request");
            assert_eq!(received.header("x-amzn-trace-id").as_deref(), Some(&*incoming), "{sent}");
        }
    }
}

#[test]
fn a_trace_is_begun_where_there_is_none() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api_of_all_types(&site, &backend);
    api.ask_for(200, &Request::get("/prod/http"));
    let trace = backend.request().header("x-amzn-trace-id").expect("a trace id");
    let root = trace.split(';').next().and_then(|part| part.strip_prefix("Root=1-"));
    let (time, random) = root.and_then(|root| root.split_once('-')).expect("a root");
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!((time.len(), random.len()), (8, 24), "{trace}");
    assert!(is_hex(time) && is_hex(random), "{trace}");
}

#[test]
fn an_answer_without_a_content_type_is_json() {
    let (site, backend) = (Managed::start(), Upstream::answering(OK));
    let api = api_of_all_types(&site, &backend);
    for target in ["/prod/mock", "/prod/proxy", "/prod/http"] {
        let answer = api.ask_for(200, &Request::get(target));
        assert_eq!(answer.header("content-type"), Some("application/json"), "{target}");
    }
}
