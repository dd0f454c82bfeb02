//! Bugs that were found in the data path, one test each, named after the symptom.

#[path = "in_process/mod.rs"]
mod in_process;

use std::io::{Read as _, Write as _};

use in_process::OneShard;

const ROUTES: &str = r#"
[[api]]
name = "main"

[[api.route]]
key = "ANY /mock"
mock = { body = "mocked" }
"#;

/// Everything that comes back for `requests`.
fn answers(requests: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let shard = OneShard::start(folder.path(), ROUTES);
    let mut stream = shard.connect();
    stream.write_all(requests.as_bytes()).expect("sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("to the end");
    drop(stream);
    drop(shard.end());
    answers
}

/// The body was left out because the request before it was HEAD.
#[test]
fn a_refusal_after_a_head_request_has_the_body_that_its_length_says() {
    let answers =
        answers("HEAD /mock HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nno field\r\n\r\n");
    let (_, refusal) = answers.split_once("HTTP/1.1 400 ").expect("a refusal");
    let (head, body) = refusal.split_once("\r\n\r\n").expect("a head");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(length.and_then(|text| text.parse().ok()), Some(body.len()), "{answers}");
    assert!(body.ends_with('}'), "{answers}");
}

#[test]
fn a_refused_head_request_has_no_body() {
    let answers = answers("HEAD / HTTP/1.1\r\nno field\r\n\r\n");
    assert!(answers.starts_with("HTTP/1.1 400 ") && answers.ends_with("\r\n\r\n"), "{answers}");
}
