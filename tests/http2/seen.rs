//! What operators see of HTTP/2: log lines and metrics.

use std::fs;

use serde_json::Value as Json;

use super::gateways::{ENDED, alone, assert_sound};
use super::harness::Gateway;
use super::peer::Http2;

/// The lines of the access log `access.log`, read at the end of the process.
pub(crate) fn lines(gateway: &mut Gateway) -> Vec<Json> {
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let text = fs::read_to_string(gateway.folder().join("access.log")).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_request_leaves_a_line_with_its_protocol() {
    let log = "[access_log]\npath = \"{dir}/access.log\"\nformat = \"json\"\n";
    let mut gateway = alone(log);
    let mut client = Http2::connect(&gateway);
    let mut expected = Vec::new();
    for (method, path) in
        [("GET", "/mock"), ("HEAD", "/mock"), ("GET", "/moved"), ("GET", "/limited")]
    {
        let answer = client.request(method, path);
        let id = answer.header("apigw-requestid").expect("an id").to_owned();
        expected.push((id, method, answer.status.to_string(), answer.body.len().to_string()));
    }
    let refused = client.request_with("GET", "/mock", &[("host", "b")]);
    assert_eq!(refused.status, 400);
    drop(client);
    gateway.connect().request("GET", "/mock");
    let lines = lines(&mut gateway);
    assert_eq!(lines.len(), expected.len() + 2, "{lines:#?}");
    for (line, (id, method, status, length)) in lines.iter().zip(&expected) {
        assert_eq!(line["requestId"], **id);
        assert_eq!(line["httpMethod"], **method);
        assert_eq!(line["status"], **status);
        assert_eq!(line["protocol"], "HTTP/2.0");
        assert_eq!(line["responseLength"], **length, "{line}");
    }
    assert_eq!(lines[4]["status"], "400");
    assert_eq!((&lines[4]["protocol"], &lines[4]["httpMethod"]), (&"-".into(), &"-".into()));
    assert_eq!(lines[5]["protocol"], "HTTP/1.1");
}

#[test]
fn requests_are_counted_by_protocol_and_connections_while_they_are_open() {
    let gateway = alone("");
    let requests = |protocol: &str| {
        gateway.metric("shardgate_requests_by_protocol_total", &format!("\"{protocol}\""))
    };
    let mut client = Http2::connect(&gateway);
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
    assert_eq!(gateway.connect().request("GET", "/mock").text(), "mocked");
    assert_eq!((requests("HTTP/2.0"), requests("HTTP/1.1")), (3.0, 1.0));
    assert_eq!(gateway.metric("shardgate_http2_connections_active", ""), 1.0);
    drop(client);
    gateway.wait_for_metric(ENDED, "reason=\"done\"", 1.0);
    assert_sound(&gateway);
}
