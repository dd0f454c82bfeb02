//! A shard while challenges are under way: what it answers over HTTP, and what it does not.

use std::io::{BufReader, Write as _};
use std::os::unix::net::UnixStream;

use crate::harness::{Answer, HANG_GUARD};
use crate::in_process::OneShard;

const ROUTES: &str = r#"
[[api]]
name = "main"

[[api.route]]
key = "$default"
mock = { status = 418, body = "a route" }
"#;

struct Kept(BufReader<UnixStream>);

impl Kept {
    fn connect(shard: &OneShard) -> Self {
        let stream = shard.connect();
        stream.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, method: &str, path: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: no.matter.which\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("sent");
        Answer::read(&mut self.0, method).expect("an answer")
    }
}

#[test]
fn a_token_is_answered_while_its_challenge_is_under_way_and_nothing_else_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let shard = OneShard::start(folder.path(), ROUTES);
    let mut client = Kept::connect(&shard);
    let (own, other) = ("/.well-known/acme-challenge/own", "/.well-known/acme-challenge/other");
    assert_eq!(client.ask("GET", own).status, 418, "no challenge is under way");

    shard.challenges().add_http("own", "own.thumbprint");
    let answer = client.ask("GET", own);
    assert_eq!((answer.status, answer.text()), (200, "own.thumbprint"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert!(answer.header("date").is_some() && !answer.says_close(), "{}", answer.head);
    let answer = client.ask("HEAD", own);
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("14")));
    for (method, path) in [
        ("GET", other),
        ("GET", "/.well-known/acme-challenge/"),
        ("GET", "/.well-known/acme-challenge/own/"),
        ("GET", "/"),
        ("POST", own),
        ("DELETE", own),
    ] {
        let answer = client.ask(method, path);
        assert_eq!((answer.status, answer.text()), (418, "a route"), "{method} {path}");
    }

    shard.challenges().remove_http("own");
    assert_eq!(client.ask("GET", own).status, 418, "it is over");
    drop(client);
    let counted = shard.end();
    assert_eq!(counted.sum("shardgate_panics_total"), 0);
}
