//! Answers that the gateway makes itself, and the line of the access log that every request leaves.

mod harness;

use std::fs;

use harness::{Answer, Client, Gateway, Upstream};
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

/// The line of what follows holds everything that an operator may ask of a refusal.
const REFUSALS: &str = r#"
[limits]
head_bytes_max = 4096
request_line_bytes_max = 1024
requests_per_connection_per_second_max = 1

[access_log]
path = "{dir}/access.log"
format = '{"id":"$context.requestId","ip":"$context.identity.sourceIp","method":"$context.httpMethod","path":"$context.path","query":"$context.shardgate.query","protocol":"$context.protocol","host":"$context.domainName","agent":"$context.identity.userAgent","api":"$context.apiId","route":"$context.routeKey","status":$context.status,"length":$context.responseLength,"received":$context.shardgate.requestLength,"ms":$context.responseLatency,"epoch":$context.requestTimeEpoch,"error":"$context.error.message","cause":"$context.shardgate.cause"}'
"#;

/// Everything that a client can send that no phase ever sees, with the status and the cause of it.
fn not_understood() -> Vec<(Vec<u8>, u16, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let long = |count| "a".repeat(count);
    vec![
        (text("\"}\r\n{\"id\":\"forged\"}\r\n\r\n"), 400, "bad_request_line"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400, "bad_request_line"),
        (text("GET /mock HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n"), 400, "bad_header"),
        (text("GET /mock HTTP/1.1\r\n\r\n"), 400, "bad_host"),
        (text("GET /mock HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n"), 400, "bad_framing"),
        (text(&format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(2_000))), 414, "uri_too_long"),
        (
            text(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", long(5_000))),
            431,
            "head_too_large",
        ),
        (text("GET / HTTP/3.0\r\nhost: a\r\n\r\n"), 505, "version_not_supported"),
    ]
}

#[test]
fn a_head_that_is_not_understood_leaves_a_line_without_its_bytes() {
    let upstream = Upstream::answering(HI);
    let mut gateway = Gateway::before(upstream.address(), REFUSALS);
    let mut expected = Vec::new();
    for (bytes, status, cause) in not_understood() {
        let mut client = gateway.connect();
        client.send(bytes);
        let answer = client.answer();
        assert_eq!(answer.status, status, "{cause}: {}", answer.text());
        expected.push((answer, cause));
    }
    let lines = lines(&mut gateway);
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (answer, cause)) in lines.iter().zip(&expected) {
        assert_eq!(line["id"], answer.header("apigw-requestid").expect("an id"));
        assert_eq!(line["ip"], "127.0.0.1");
        assert_eq!(
            (line["status"].as_u64(), text(line, "cause")),
            (Some(answer.status.into()), *cause)
        );
        assert_eq!(line["length"], answer.body.len(), "{line}");
        assert_eq!(answer.text(), format!(r#"{{"message":"{}"}}"#, text(line, "error")));
        assert!(line["epoch"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "{line}");
        assert_eq!(line["received"], 0);
        for unknown in ["method", "path", "query", "protocol", "host", "agent", "api", "route"] {
            assert_eq!(line[unknown], "-", "{unknown} of {line}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_slow_or_cut_request_leaves_a_line_and_an_idle_connection_none() {
    let upstream = Upstream::answering(HI);
    let timeouts = "[timeouts]\nhead_timeout_ms = 100\nbody_timeout_ms = 100\n";
    let mut gateway = Gateway::before(upstream.address(), &format!("{timeouts}{REFUSALS}"));
    // Nothing at all, and nothing more after an answer: nobody asked anything that went wrong.
    let mut idle = gateway.connect();
    assert_eq!(idle.request("GET", "/mock").status, 200);
    gateway.connect().end_sending();

    let mut slow_head = gateway.connect();
    slow_head.send("GET /mock HTTP/1.1\r\nhost: a\r\n");
    let slow_head = slow_head.answer();
    let mut slow_body = gateway.connect();
    slow_body.send(
        "POST /mock?a=b HTTP/1.1\r\nhost: a.test\r\nuser-agent: \"x\\\r\ncontent-length: 9\r\n\r\nabc",
    );
    let slow_body = slow_body.answer();
    assert_eq!((slow_head.status, slow_body.status), (408, 408));
    let mut cut = gateway.connect();
    cut.send("GET /mo");
    cut.end_sending();
    assert!(cut.rest().is_empty(), "nobody is told");

    drop(idle);
    let lines = lines(&mut gateway);
    let told: Vec<_> =
        lines.iter().map(|line| (line["status"].as_u64(), text(line, "cause"))).collect();
    let timeout = (Some(408), "request_timeout");
    assert_eq!(told, [(Some(200), "-"), timeout, timeout, (Some(499), "client_gone")]);
    let [_, of_head, of_body, of_cut] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(of_head["id"], slow_head.header("apigw-requestid").expect("an id"));
    assert_eq!((text(of_head, "method"), text(of_head, "path")), ("-", "-"));
    assert!(of_head["ms"].as_u64().is_some_and(|ms| ms >= 90), "from the first byte: {of_head}");
    assert_eq!(of_body["id"], slow_body.header("apigw-requestid").expect("an id"));
    assert_eq!((text(of_body, "method"), text(of_body, "path")), ("POST", "/mock"));
    assert_eq!((text(of_body, "query"), text(of_body, "agent")), ("a=b", "\"x\\"));
    assert_eq!((text(of_body, "host"), &of_body["received"]), ("a.test", &Json::from(3)));
    assert!(of_body["ms"].as_u64().is_some_and(|ms| ms >= 90), "{of_body}");
    assert_eq!((text(of_cut, "method"), &of_cut["length"]), ("-", &Json::from(0)));
}

#[test]
fn a_connection_that_asks_too_often_leaves_a_line() {
    let upstream = Upstream::answering(HI);
    let mut gateway = Gateway::before(upstream.address(), REFUSALS);
    let mut client = gateway.connect();
    // A second may end between two of them, so a few are sent.
    client.send("GET /mock?a HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3));
    let answers = loop_to_429(&mut client);
    let lines = lines(&mut gateway);
    assert_eq!(lines.len(), answers.len(), "{lines:#?}");
    let (line, answer) = lines.last().zip(answers.last()).expect("one at least");
    assert_eq!(line["id"], answer.header("apigw-requestid").expect("an id"));
    assert_eq!((line["status"].as_u64(), text(line, "cause")), (Some(429), "throttled_connection"));
    assert_eq!(
        (text(line, "method"), text(line, "path"), text(line, "query")),
        ("GET", "/mock", "a")
    );
    assert_eq!((text(line, "protocol"), text(line, "route")), ("HTTP/1.1", "-"));
    assert_eq!(text(line, "error"), "Too Many Requests");
}

/// The answers up to the one that refuses.
fn loop_to_429(client: &mut Client) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    while answers.last().is_none_or(|last| last.status != 429) {
        answers.push(client.answer());
    }
    answers
}

#[test]
fn a_connection_too_many_leaves_a_line() {
    let upstream = Upstream::answering(HI);
    let limits = REFUSALS.replace("[limits]\n", "[limits]\nconnections_per_shard_max = 1\n");
    let mut gateway = Gateway::before(upstream.address(), &limits);
    let mut first = gateway.connect();
    assert_eq!(first.request("GET", "/mock").status, 200);
    let refused = gateway.connect().answer();
    drop(first);
    let lines = lines(&mut gateway);
    let [_, line] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!((refused.status, line["status"].as_u64()), (503, Some(503)));
    assert_eq!(line["id"], refused.header("apigw-requestid").expect("an id"));
    assert_eq!((text(line, "ip"), text(line, "cause")), ("127.0.0.1", "too_many_connections"));
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
