//! Requests to a host, as HTTP/2 writes them.

use crate::fields::block;
use crate::harness::Received;
use crate::peer::{Answer, Http2};

/// The head of a request to `host`, with more fields.
pub(crate) fn head(host: &str, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let start = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)];
    block(&[&start[..], more].concat())
}

/// Asks without a body, and waits for the answer.
pub(crate) fn get(client: &mut Http2, host: &str, path: &str, more: &[(&str, &str)]) -> Answer {
    let stream = client.ask(head(host, "GET", path, more));
    client.answer(stream)
}

/// Asks with a body whose length nothing tells, and waits for the answer.
pub(crate) fn post(
    client: &mut Http2,
    host: &str,
    path: &str,
    more: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let stream = client.begin(head(host, "POST", path, more));
    client.send_body(stream, body, true);
    client.answer(stream)
}

/// What a backend that answers with what came says in this answer.
#[track_caller]
pub(crate) fn received(answer: &Answer) -> Received {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.body.clone();
    Received::of(&crate::harness::Answer { body, ..crate::harness::Answer::default() })
}

/// RFC 9113 section 8.2: names are in lower case, and none is of a connection.
#[track_caller]
pub(crate) fn assert_fit(answer: &Answer) {
    for (name, value) in &answer.fields {
        assert_eq!(*name, name.to_ascii_lowercase(), "{answer:?}");
        let is_of_connection =
            ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
                .contains(&name.as_str());
        assert!(!is_of_connection, "{name}: {value}");
    }
}
