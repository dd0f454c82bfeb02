//! Trailers of requests and answers between all versions of HTTP.

use super::caller::Caller;
use super::harness::{Gateway, Upstream};
use super::target::{Target, fields};
use super::{configuration, gateway};

/// A target of HTTP/1.1 that answers with the request's body and trailers, chunked.
fn old_target() -> Upstream {
    Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            if !request.body.is_empty() {
                answer.extend(format!("{:x}\r\n", request.body.len()).as_bytes());
                answer.extend(&request.body);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n");
            for (name, value) in &request.trailers {
                answer.extend(format!("{name}: {value}\r\n").as_bytes());
            }
            answer.extend(b"x-target: done\r\n\r\n");
            peer.send(answer)?;
        }
    })
}

fn old_gateway(target: &Upstream) -> Gateway {
    Gateway::start(&configuration(&[target.address()], "").replace("\"h2\"", "\"http/1.1\""))
}

const REQUEST: &str = "POST /mirror HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\
    transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";

fn check_old_client(gateway: &Gateway) {
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.send(REQUEST);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "body"));
        let mut trailers = answer.trailers.clone();
        trailers.sort();
        let expected = [("x-sum", "7"), ("x-target", "done")];
        assert_eq!(trailers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

fn check_new_client(gateway: &Gateway) {
    let mut client = Caller::connect(gateway.address("public"));
    for body in [&b"body"[..], b""] {
        let sent = Some(fields(&[("x-sum", "7")]));
        let answer = client.call("POST", "/mirror", body, sent).expect("an answer");
        assert_eq!((answer.status(), &answer.body[..], answer.cut), (200, body, None));
        assert_eq!(answer.trailers, fields(&[("x-sum", "7"), ("x-target", "done")]));
    }
}

#[test]
fn from_http1_to_http1() {
    check_old_client(&old_gateway(&old_target()));
}

#[test]
fn from_http1_to_http2() {
    check_old_client(&gateway(&[Target::start().address], ""));
}

#[test]
fn from_http2_to_http1() {
    check_new_client(&old_gateway(&old_target()));
}

#[test]
fn from_http2_to_http2() {
    check_new_client(&gateway(&[Target::start().address], ""));
}
