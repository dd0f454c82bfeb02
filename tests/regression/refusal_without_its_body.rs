//! A request that could not be parsed, served with the buffers of an earlier HEAD, was answered
//! with a Content-Length and no body: the method was still that of the earlier request.

use crate::harness::{Gateway, Upstream};

#[test]
fn a_refusal_after_a_head_request_has_its_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let gateway = Gateway::before(upstream.address(), "");
    let mut first = gateway.connect();
    assert_eq!(first.request("HEAD", "/mock").status, 200);
    // On the same connection, and on another one that gets the same buffers.
    for mut client in [first, gateway.connect()] {
        client.send("\u{1}\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.status, 400);
        assert_eq!(answer.text(), r#"{"message":"Bad Request: malformed request line"}"#);
    }
}
