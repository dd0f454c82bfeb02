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
    let lines = lines(&mut gateway);
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
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

#[test]
fn a_line_names_the_target_that_was_asked_last() {
    let live = Upstream::answering(HI);
    let mut gateway = Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "dead"
targets = ["unix:{{dir}}/nobody.sock"]

[[upstream]]
name = "mixed"
targets = ["unix:{{dir}}/nobody.sock", "{}"]

[[api]]
name = "main"
route = [
    {{ key = "GET /mock", mock = {{}} }},
    {{ key = "GET /dead", upstream = "dead" }},
    {{ key = "GET /mixed", upstream = "mixed" }},
]

[access_log]
path = "{{dir}}/access.log"
format = '{{"id":"$context.requestId","path":"$context.path","target":"$context.shardgate.target"}}'
"#,
        live.address()
    ));
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/mock").status, 200);
    assert_eq!(client.request("GET", "/dead").status, 502);
    // In turn: one of the two comes to the dead target first.
    assert_eq!(client.request("GET", "/mixed").status, 201);
    assert_eq!(client.request("GET", "/mixed").status, 201);
    assert_eq!(client.request("GET", "/nothing").status, 404);
    drop(client);
    let dead = format!("unix:{}", gateway.folder().join("nobody.sock").display());
    let live = live.address().to_string();
    let lines = lines(&mut gateway);
    let targets: Vec<_> =
        lines.iter().map(|line| (text(line, "path"), text(line, "target"))).collect();
    let expected =
        [("/mock", "-"), ("/dead", &dead), ("/mixed", &live), ("/mixed", &live), ("/nothing", "-")];
    assert_eq!(targets, expected);
}

/// The lines of the access log, read at the end of the process: they are written off the path, and
/// the end writes the last of them.
fn lines(gateway: &mut Gateway) -> Vec<Json> {
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let text = fs::read_to_string(gateway.folder().join("access.log")).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text<'l>(line: &'l Json, name: &str) -> &'l str {
    line[name].as_str().expect("text")
}
