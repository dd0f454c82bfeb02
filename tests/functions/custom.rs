//! Custom (non-proxy) Lambda integrations of REST APIs.

use serde_json::{Value as Json, json};

use crate::function::{Site, ok, uri};
use crate::harness::{Answer, Received, Request, RestApi};

/// A response of the method and of its integration.
struct Response<'r> {
    status: u16,
    pattern: Option<&'r str>,
    parameters: Json,
}

impl<'r> Response<'r> {
    fn new(status: u16, pattern: Option<&'r str>) -> Self {
        Self { status, pattern, parameters: json!({}) }
    }
}

/// An API whose method `POST /x` is the function's by a custom integration, deployed to `prod`.
#[track_caller]
fn custom_api<'s>(site: &'s Site, more: Json, responses: &[Response<'_>]) -> RestApi<'s> {
    let api = site.gateway.create_rest_api();
    let declared = json!({ "method.request.header.InvocationType": false });
    api.put_method("/x", "POST", json!({ "requestParameters": declared }));
    let mut body = json!({ "type": "AWS", "httpMethod": "POST", "uri": uri() });
    body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
    api.put_integration("/x", "POST", body);
    for Response { status, pattern, parameters } in responses {
        let keys = parameters.as_object().expect("one").keys();
        let declared: Json =
            keys.map(|key| (key.clone(), json!(false))).collect::<serde_json::Map<_, _>>().into();
        api.put_method_response("/x", "POST", *status, json!({ "responseParameters": declared }));
        let mut body = json!({ "responseParameters": parameters });
        if let Some(pattern) = pattern {
            body["selectionPattern"] = json!(pattern);
        }
        api.put_integration_response("/x", "POST", *status, body);
    }
    api.deploy("prod");
    api
}

fn post(api: &RestApi<'_>, body: &str) -> Answer {
    api.ask(&Request::post("/prod/x", body).header("Content-Type", "application/json"))
}

/// Answers with the event.
fn echo(received: &Received) -> String {
    ok("", std::str::from_utf8(&received.body).expect("text"))
}

#[test]
fn the_body_is_the_event_and_the_result_the_body() {
    let site = Site::start_raw(echo);
    let api = custom_api(&site, json!({}), &[Response::new(200, None)]);
    let answer = post(&api, r#"{ "a": 1 }"#);
    assert_eq!((answer.status, answer.text()), (200, r#"{ "a": 1 }"#), "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-amzn-trace-id").is_some_and(|id| id.starts_with("Root=1-")));
    assert_eq!(post(&api, "").text(), "{}");
    let requests = site.server.requests();
    let kind = requests[0].header("x-amz-invocation-type");
    assert_eq!(kind.as_deref(), Some("RequestResponse"));
}

#[test]
fn what_is_no_json_is_the_clients_mistake() {
    let site = Site::start_raw(echo);
    let api = custom_api(&site, json!({}), &[Response::new(200, None)]);
    let answer = post(&api, "garbage");
    let body = r#"{"message":"Could not parse request body into json"}"#;
    assert_eq!((answer.status, answer.text()), (400, body), "{}", answer.head);
    assert!(site.server.requests().is_empty());
}

#[test]
fn templates_choose_as_for_other_integrations() {
    let site = Site::start_raw(echo);
    let templates = json!({
        "requestTemplates": { "application/json": "{\"fixed\": true}" },
        "passthroughBehavior": "WHEN_NO_TEMPLATES",
    });
    let api = custom_api(&site, templates, &[Response::new(200, None)]);
    assert_eq!(post(&api, r#"{"a":1}"#).text(), r#"{"fixed": true}"#);
    let other = Request::post("/prod/x", "<a/>").header("Content-Type", "application/xml");
    assert_eq!(api.ask(&other).status, 415);
}

/// "Handle Lambda errors in API Gateway": the function says by its event what it answers.
fn failing_by_event(received: &Received) -> String {
    let event: Json = serde_json::from_slice(&received.body).expect("an event");
    let more = match event["told"].as_bool() {
        Some(true) => "X-Amz-Function-Error: Unhandled\r\n",
        _ => "",
    };
    ok(more, &event["answer"].to_string())
}

#[test]
fn an_error_selects_a_response_by_its_whole_message() {
    let site = Site::start_raw(failing_by_event);
    let parameters = json!({
        "method.response.header.error": "integration.response.body.errorMessage",
        "method.response.header.version": "integration.response.header.X-Amz-Function-Error",
    });
    let responses = [
        Response::new(200, None),
        Response { status: 400, pattern: Some("Malformed.*"), parameters },
        Response::new(500, Some("(\\n|.)+")),
    ];
    let api = custom_api(&site, json!({}), &responses);
    let ask = |answer: Json, told: bool| {
        post(&api, &json!({ "answer": answer, "told": told }).to_string())
    };
    let malformed =
        json!({ "errorMessage": "Malformed input ...", "errorType": "Error", "trace": [] });
    for told in [true, false] {
        let answer = ask(malformed.clone(), told);
        assert_eq!(answer.status, 400, "{}", answer.head);
        assert_eq!(answer.header("error"), Some("Malformed input ..."));
        assert_eq!(answer.header("version"), told.then_some("Unhandled"));
        assert_eq!(answer.text(), malformed.to_string());
    }
    let several_lines = json!({ "errorMessage": "a\nMalformed" });
    assert_eq!(ask(several_lines, true).status, 500);
    // What holds more than an error is a result, if nobody says otherwise.
    assert_eq!(ask(json!({ "errorMessage": "Malformed", "items": [] }), false).status, 200);
    assert_eq!(ask(json!({ "a": 1 }), false).status, 200);
    assert_eq!(ask(json!("text"), false).status, 200);
}

#[test]
fn an_error_that_no_pattern_takes_is_the_default_response() {
    let site = Site::start_raw(failing_by_event);
    let api =
        custom_api(&site, json!({}), &[Response::new(200, None), Response::new(400, Some("no"))]);
    let error = json!({ "errorMessage": "yes", "errorType": "E" });
    let answer = post(&api, &json!({ "answer": error, "told": true }).to_string());
    assert_eq!((answer.status, answer.text()), (200, &*error.to_string()));
}

#[test]
fn without_a_default_response_a_result_has_no_place() {
    let site = Site::start_raw(echo);
    let api = custom_api(&site, json!({}), &[Response::new(400, Some("no"))]);
    let answer = post(&api, "{}");
    let body = r#"{"message": "Internal server error"}"#;
    assert_eq!((answer.status, answer.text()), (500, body), "{}", answer.head);
}

#[test]
fn a_client_may_ask_for_an_asynchronous_invocation() {
    let site =
        Site::start_raw(|received| match received.header("x-amz-invocation-type").as_deref() {
            Some("Event") => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Some("DryRun") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => ok("", "\"waited\""),
        });
    let mappings = json!({ "requestParameters": {
        "integration.request.header.X-Amz-Invocation-Type": "method.request.header.InvocationType",
        "integration.request.header.X-Amz-Client-Context": "'e30='",
        "integration.request.header.Content-Type": "'text/plain'",
    } });
    let api = custom_api(&site, mappings, &[Response::new(200, None)]);
    let ask = |kind: &str| api.ask(&Request::post("/prod/x", "{}").header("InvocationType", kind));
    for (kind, body) in [("Event", ""), ("DryRun", ""), ("RequestResponse", "\"waited\"")] {
        let answer = ask(kind);
        assert_eq!((answer.status, answer.text()), (200, body), "{kind}: {}", answer.head);
    }
    assert_eq!(post(&api, "{}").text(), "\"waited\"");
    assert_eq!(ask("Later").status, 500);
    let sent = site.server.requests();
    assert_eq!(sent.len(), 4);
    assert_eq!(sent[0].values("x-amz-invocation-type"), ["Event"]);
    assert_eq!(sent[0].values("x-amz-client-context"), ["e30="]);
    assert_eq!(sent[0].values("content-type"), ["application/json"]);
}

#[test]
fn a_proxy_waits_whatever_is_mapped() {
    let site = Site::start(|_| json!({ "body": "waited" }));
    let mapped = json!({ "requestParameters": {
        "integration.request.header.X-Amz-Invocation-Type": "'Event'",
    } });
    let api = site.rest_api("/x", "GET", mapped);
    assert_eq!(api.ask(&Request::get("/prod/x")).text(), "waited");
    let kind = site.server.request().header("x-amz-invocation-type");
    assert_eq!(kind.as_deref(), Some("RequestResponse"));
}

#[test]
fn headers_that_are_the_gateways_own_cannot_be_mapped() {
    let site = Site::start_raw(echo);
    let mapped = json!({ "requestParameters": {
        "integration.request.header.Authorization": "'mine'",
    } });
    let api = custom_api(&site, mapped, &[Response::new(200, None)]);
    assert_eq!(post(&api, "{}").status, 500);
    assert!(site.server.requests().is_empty());
}

#[test]
fn a_function_that_takes_too_long_is_a_timeout() {
    let site = Site::start_raw(|_| "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_owned());
    let api = custom_api(&site, json!({ "timeoutInMillis": 60 }), &[Response::new(200, None)]);
    let answer = post(&api, "{}");
    let body = r#"{"message": "Endpoint request timed out"}"#;
    assert_eq!((answer.status, answer.text()), (504, body), "{}", answer.head);
}

#[test]
fn a_qualifier_that_a_mapping_gives_is_not_there_yet() {
    let site = Site::start_raw(echo);
    let mapped = json!({ "requestParameters": {
        "integration.request.querystring.Qualifier": "'live'",
    } });
    let api = custom_api(&site, mapped, &[Response::new(200, None)]);
    assert_eq!(post(&api, "{}").status, 501);
}

/// The log has what was sent and what came back, also of an asynchronous call.
#[test]
fn a_custom_integration_can_be_tested() {
    let site = Site::start_raw(|_| "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned());
    let mapped = json!({ "requestParameters": {
        "integration.request.header.X-Amz-Invocation-Type": "'Event'",
    } });
    let api = custom_api(&site, mapped, &[Response::new(200, None)]);
    let request = json!({ "body": "{\"a\":1}" });
    let (_, told) = api.management().call("POST", &api.method_path("/x", "POST"), Some(&request));
    assert_eq!((&told["status"], &told["body"]), (&json!(200), &json!("")), "{told}");
    let log = told["log"].as_str().expect("a log");
    for words in [
        "X-Amz-Invocation-Type=Event",
        "Endpoint request body after transformations: {\"a\":1}",
        "Received response. Status: 202",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
}
