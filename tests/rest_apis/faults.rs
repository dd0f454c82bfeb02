//! Backends that fail, and integrations of a later version.

use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::harness::{Managed, Request, RestApi, Upstream};
use crate::refusal::assert_refused;

/// `GET /x` with this integration.
fn api(site: &Managed, integration: Json) -> RestApi<'_> {
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    api
}

fn proxy(uri: &str) -> Json {
    json!({ "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri })
}

#[test]
fn a_backend_that_does_not_answer_in_time() {
    let site = Managed::start();
    let backend = Upstream::start(|_, peer| {
        peer.request()?;
        peer.rest().map(drop)
    });
    let mut integration = proxy(&format!("http://{}/", backend.address()));
    integration["timeoutInMillis"] = json!(50);
    let api = api(&site, integration);
    let answer = api.ask_for(504, &Request::get("/prod/x"));
    assert_refused(&answer, 504, "InternalServerErrorException", "Endpoint request timed out");
}

#[test]
fn a_backend_that_is_not_there() {
    let site = Managed::start();
    let address = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("a socket")
    };
    let api = api(&site, proxy(&format!("http://{address}/")));
    let answer = api.ask_until(&Request::get("/prod/x"), |answer| answer.status >= 500);
    let message = "Network error communicating with endpoint";
    assert_refused(&answer, 504, "InternalServerErrorException", message);
}

#[test]
fn a_failed_backend_has_a_gateway_response() {
    let site = Managed::start();
    let backend = Upstream::start(|_, peer| {
        peer.request()?;
        peer.rest().map(drop)
    });
    let mut integration = proxy(&format!("http://{}/", backend.address()));
    integration["timeoutInMillis"] = json!(50);
    let api = api(&site, integration);
    api.put_gateway_response(
        "INTEGRATION_TIMEOUT",
        json!({
            "statusCode": "408",
            "responseTemplates": { "application/json": "{\"late\":$context.error.messageString}" },
        }),
    );
    api.deploy("prod");
    let answer = api.ask_for(408, &Request::get("/prod/x"));
    assert_eq!(answer.text(), r#"{"late":"Endpoint request timed out"}"#);
}

#[test]
fn a_backend_that_speaks_no_http() {
    let site = Managed::start();
    let backend = Upstream::answering_once("this is not HTTP\r\n\r\n");
    let api = api(&site, proxy(&format!("http://{}/", backend.address())));
    let answer = api.ask_until(&Request::get("/prod/x"), |answer| answer.status >= 500);
    assert!(answer.text().starts_with("{\"message\":"), "{}", answer.text());
}

#[test]
fn integrations_of_a_later_version_say_so() {
    let site = Managed::start();
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                    arn:aws:lambda:us-east-1:111111111111:function:f/invocations";
    let queue = "arn:aws:apigateway:us-east-1:sqs:path/111111111111/q";
    for (kind, uri) in [("AWS_PROXY", function), ("AWS", function), ("AWS", queue)] {
        let mut integration = json!({ "type": kind, "httpMethod": "POST", "uri": uri });
        if uri == queue {
            integration["credentials"] = json!("arn:aws:iam::111111111111:role/r");
        }
        let api = api(&site, integration);
        let answer = api.ask_until(&Request::get("/prod/x"), |answer| answer.status >= 500);
        let said: Json = serde_json::from_str(answer.text()).expect("JSON");
        let message = said["message"].as_str().expect("a message");
        assert!(message.contains(' '), "{kind}: words for people: {message}");
        assert!(answer.header("x-amzn-requestid").is_some(), "{}", answer.head);
    }
}
