//! Endpoints that do not invoke the function.

use serde_json::{Value as Json, json};

use crate::function::Site;
use crate::harness::Request;

/// A site whose endpoint answers with what the path behind `/prod/` says.
fn refusing_site() -> Site {
    Site::start_raw(|received| {
        let event: Json = serde_json::from_slice(&received.body).expect("an event");
        let status = event["headers"]["X-Status"].as_str();
        let status = status.or_else(|| event["headers"]["x-status"].as_str()).unwrap_or("200");
        let body = r#"{"Type":"User","Message":"because"}"#;
        format!(
            "HTTP/1.1 {status} X\r\nx-amzn-ErrorType: SomeException:http://x\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    })
}

const STATUSES: [&str; 6] = ["400", "403", "404", "413", "429", "503"];

#[test]
fn rest_apis_tell_of_an_error_of_their_own() {
    let site = refusing_site();
    let api = site.rest_api("/x", "GET", json!({}));
    for status in STATUSES {
        let answer = api.ask(&Request::get("/prod/x").header("X-Status", status));
        let body = r#"{"message": "Internal server error"}"#;
        assert_eq!((answer.status, answer.text()), (500, body), "{status}: {}", answer.head);
    }
}

#[test]
fn http_apis_tell_of_an_error_of_their_own() {
    let site = refusing_site();
    let api = site.http_api("$default", "2.0");
    for status in STATUSES {
        let answer = api.ask(&Request::get("/x").header("X-Status", status));
        let body = r#"{"message":"Internal Server Error"}"#;
        assert_eq!((answer.status, answer.text()), (500, body), "{status}: {}", answer.head);
    }
}

/// Too many calls at once are a failure of the integration, which a gateway response can word.
#[test]
fn gateway_responses_tell_the_two_kinds_apart() {
    let site = refusing_site();
    let api = site.rest_api("/x", "GET", json!({}));
    api.put_gateway_response("INTEGRATION_FAILURE", json!({ "statusCode": "429" }));
    api.put_gateway_response("API_CONFIGURATION_ERROR", json!({ "statusCode": "501" }));
    api.deploy("prod");
    let status = |told: &str| api.ask(&Request::get("/prod/x").header("X-Status", told)).status;
    assert_eq!([status("429"), status("403"), status("404")], [429, 501, 501]);
}

#[test]
fn the_log_of_a_test_says_why() {
    let site = refusing_site();
    let api = site.rest_api("/x", "GET", json!({}));
    for (status, words) in [
        (
            "403",
            "configuration error: Invalid permissions on Lambda function: SomeException: because",
        ),
        (
            "429",
            "Execution failed: Lambda invocation failed with status: 429: SomeException: because",
        ),
    ] {
        let request = json!({ "headers": { "X-Status": status } });
        let (_, told) =
            api.management().call("POST", &api.method_path("/x", "GET"), Some(&request));
        assert_eq!(told["status"], 500, "{told}");
        assert!(told["log"].as_str().is_some_and(|log| log.contains(words)), "{told}");
    }
}
