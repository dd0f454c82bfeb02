//! Answers of every shape, to clients of HTTP/1.1 and HTTP/2.

use super::caller::Caller;
use super::gateway;
use super::target::Target;

#[test]
fn bodies_with_and_without_a_length() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let (mut old, mut new) = (gateway.connect(), Caller::connect(gateway.address("public")));
    for (path, length) in [("/plain", None), ("/said/5", Some("5"))] {
        let answer = old.request("GET", path);
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.header("content-length"), length);
        let answer = new.get(path).expect("an answer");
        assert_eq!((answer.status(), &answer.body[..]), (200, &b"hello"[..]));
        assert_eq!(answer.field("content-length"), length);
        assert_eq!(answer.cut, None);
    }
    assert_eq!(target.connections_count(), 1, "they share one connection");
}

#[test]
fn answers_without_bodies() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let (mut old, mut new) = (gateway.connect(), Caller::connect(gateway.address("public")));
    for (method, path, status, length) in [
        ("HEAD", "/said/5", 200, Some("5")),
        ("GET", "/status/204", 204, None),
        ("GET", "/status/304", 304, Some("5")),
        ("GET", "/status/200", 200, Some("0")),
        ("GET", "/status/404", 404, Some("0")),
    ] {
        let answer = old.request(method, path);
        assert_eq!((answer.status, answer.text()), (status, ""), "{method} {path}");
        assert_eq!(answer.header("content-length"), length, "{method} {path}");
        let answer = new.call(method, path, b"", None).expect("an answer");
        assert_eq!((answer.status(), answer.body.len()), (status, 0), "{method} {path}");
        assert_eq!(answer.cut, None);
    }
}

#[test]
fn interim_answers_are_passed_on() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut old = gateway.connect();
    let early = old.request("GET", "/interim");
    assert_eq!((early.status, early.header("link")), (103, Some("</a>; rel=preload")));
    assert_eq!(old.answer().text(), "final");
    let mut new = Caller::connect(gateway.address("public"));
    let answer = new.get("/interim").expect("an answer");
    assert_eq!((answer.interim, &answer.body[..]), (vec![103], &b"final"[..]));
    // There is an end to it.
    let answer = new.get("/many-interim/100").expect("an answer");
    assert_eq!(answer.status(), 502);
}

#[test]
fn heads_that_are_too_much_are_refused() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/fields/50").status, 200);
    assert_eq!(client.request("GET", "/long-field/4000").status, 200);
    for path in ["/fields/1000", "/long-field/100000", "/fields/20000"] {
        assert_eq!(client.request("GET", path).status, 502, "{path}");
    }
    assert_eq!(client.request("GET", "/").text(), "hello");
    assert_eq!(gateway.metric("shardgate_panics_total", ""), 0.0);
}

/// The target says less or more than it sends: no client takes it for a whole answer.
#[test]
fn lengths_that_lie_are_noticed() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    for length in ["3", "6", "1000"] {
        let mut old = gateway.connect();
        old.send(format!("GET /said/{length} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let (bytes, _) = old.rest_or_reset();
        let text = String::from_utf8_lossy(&bytes);
        let is_502 = text.starts_with("HTTP/1.1 502 ");
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let said: usize = length.parse().expect("a number");
        // What is more than was said goes to nobody, and the connection ends.
        let is_cut = body.len() < said || (said == 3 && body == "hel");
        assert!(is_502 || is_cut, "{length}: {text}");
        let mut new = Caller::connect(gateway.address("public"));
        match new.get(&format!("/said/{length}")) {
            Ok(answer) => {
                assert!(answer.status() == 502 || answer.cut.is_some(), "{length}: {answer:?}");
            }
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    }
}
