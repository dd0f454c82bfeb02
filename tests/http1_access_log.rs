//! Answers that the gateway makes itself, and the line of the access log that every request leaves.

mod harness;

use std::fs;

use harness::{Gateway, Upstream};
use serde_json::Value as Json;

const HI: &str = "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi";

#[test]
fn gateway_errors_look_like_those_of_amazon_api_gateway() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{}"]

[[api]]
name = "main"

[[api.route]]
key = "GET /slow"
upstream = "backend"
throttle = {{ rate_per_second = 0.1, burst_count = 1 }}
"#,
        upstream.address()
    ));
    let mut client = gateway.connect();
    let answer = client.request("GET", "/nothing");
    assert_eq!((answer.status, answer.text()), (404, r#"{"message":"Not Found"}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some("23"));
    assert!(answer.header("apigw-requestid").is_some_and(|id| id.ends_with('=')));
    assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")));
    assert!(!answer.says_close());
    assert_eq!(client.request("GET", "/slow").status, 201);
    let answer = client.request("GET", "/slow");
    assert_eq!((answer.status, answer.text()), (429, r#"{"message":"Too Many Requests"}"#));
    let retry_after: u64 =
        answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=10).contains(&retry_after), "{retry_after}");
    assert!(!answer.says_close());
    assert_eq!(client.request("POST", "/slow").status, 404);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn every_request_leaves_a_line() {
    let upstream = Upstream::answering(HI);
    let log = "[access_log]\npath = \"{dir}/access.log\"\nformat = \"json\"\n";
    let mut gateway = Gateway::before(upstream.address(), log);
    let mut client = gateway.connect();
    let mut expected = Vec::new();
    let mut ask = |method: &str, target: &str, route: &str| {
        let answer = client.request(method, target);
        let id = answer.header("apigw-requestid").expect("an id").to_owned();
        let length = answer.body.len();
        expected.push((id, method.to_owned(), route.to_owned(), answer.status, length));
    };
    ask("GET", "/a", "$default");
    ask("HEAD", "/mock", "ANY /mock");
    ask("GET", "/mock", "ANY /mock");
    ask("GET", "/moved", "ANY /moved");
    ask("GET", "/limited", "ANY /limited");
    drop(client);
    // Lines are written off the path; the end of the process writes the last of them.
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let text = fs::read_to_string(gateway.folder().join("access.log")).expect("a log");
    let lines: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (id, method, route, status, length)) in lines.iter().zip(&expected) {
        assert_eq!(line["requestId"], **id);
        assert_eq!(line["ip"], "127.0.0.1");
        assert_eq!(line["httpMethod"], **method);
        assert_eq!(line["routeKey"], **route);
        assert_eq!(line["status"], status.to_string());
        assert_eq!(line["protocol"], "HTTP/1.1");
        assert_eq!(line["responseLength"], length.to_string(), "{line}");
        assert!(line["requestTime"].as_str().is_some_and(|time| time.ends_with("+0000")), "{line}");
    }
}
