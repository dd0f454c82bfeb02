//! Targets that refuse, stall, lie and break off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::caller::Caller;
use super::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, STATUS_200, answer, frame, go_away, greet,
    literal, request,
};
use super::harness::{Gateway, Upstream};
use super::target::Target;
use super::{configuration, gateway};

/// A target by hand that says `last_word` to each request.
fn saying(last_word: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |_, peer| {
        greet(peer)?;
        loop {
            let stream = request(peer)?;
            peer.send(last_word(stream))?;
        }
    })
}

/// What a target has not looked at goes elsewhere, whatever its method.
#[test]
fn what_was_refused_is_sent_to_another_target() {
    const REFUSED_STREAM: u32 = 7;
    let refusing = saying(|stream| frame(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()));
    let leaving = saying(|_| go_away(0, 0));
    for bad in [refusing, leaving] {
        let good = Target::start();
        let gateway = gateway(&[bad.address(), good.address], "");
        let mut old = gateway.connect();
        let mut new = Caller::connect(gateway.address("public"));
        for _ in 0..4 {
            old.send("POST /mirror HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
            let answer = old.answer();
            assert_eq!((answer.status, answer.text()), (200, "body"));
            let mut call = new.begin_with("POST", "/mirror", &[("content-length", "4")]);
            call.body.send_data(Bytes::from_static(b"body"), true).expect("sent");
            let answer = new.end(call).expect("an answer");
            assert_eq!((answer.status(), &answer.body[..]), (200, &b"body"[..]));
        }
    }
}

/// There is an end to trying a target that refuses everything.
#[test]
fn a_target_that_refuses_everything_is_asked_a_few_times() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").status, 200);
    assert_eq!(client.request("GET", "/refuse").status, 502);
    assert!(target.requests_count() < 10, "{} requests", target.requests_count());
    assert_eq!(client.request("GET", "/").status, 200);
}

/// A target that may have looked at a request gets it once alone, unless it may be repeated.
#[test]
fn what_may_have_been_looked_at_is_not_repeated() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let leaving = Upstream::start(move |_, peer| {
        greet(peer)?;
        let stream = request(peer)?;
        counter.fetch_add(1, Ordering::SeqCst);
        peer.send(go_away(stream, 2))?;
        peer.close();
        Ok(())
    });
    let gateway = gateway(&[leaving.address()], "");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(client.answer().status, 502);
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_that_was_cut_is_never_complete() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut old = gateway.connect();
    old.send("GET /cut HTTP/1.1\r\nhost: a\r\n\r\n");
    let (bytes, _) = old.rest_or_reset();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("\r\n0\r\n"), "{text}");
    let mut older = gateway.connect();
    older.send("GET /cut HTTP/1.0\r\nhost: a\r\n\r\n");
    let (bytes, end) = older.rest_or_reset();
    let text = String::from_utf8_lossy(&bytes);
    assert!(end.is_some() || text.starts_with("HTTP/1.1 502"), "a good end behind {text}");
    let mut new = Caller::connect(gateway.address("public"));
    match new.get("/cut") {
        Ok(answer) => assert!(answer.status() == 502 || answer.cut.is_some(), "{answer:?}"),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
    assert_eq!(new.get("/").expect("an answer").body, "hello");
}

/// The connection breaks in the middle of an answer.
#[test]
fn a_connection_that_breaks_cuts_its_answers() {
    let target = Upstream::start(|_, peer| {
        greet(peer)?;
        let stream = request(peer)?;
        let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
        peer.send([head, frame(DATA, 0, stream, b"begun")].concat())?;
        peer.end_sending();
        peer.rest().map(drop)
    });
    let gateway = gateway(&[target.address()], "");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let (bytes, _) = client.rest_or_reset();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 200 ") && !text.contains("\r\n0\r\n"), "{text}");
}

/// Heads that would be other heads in HTTP/1.1, or that HTTP/2 forbids.
#[test]
fn heads_that_split_are_refused() {
    let bad: [(&[u8], &[u8]); 8] = [
        (b"x-a", b"b\r\nset-cookie: c=d"),
        (b"x-a", b"b\nc: d"),
        (b"x-a", b"b\0c"),
        (b"x-a\r\nb", b"c"),
        (b"x a", b"b"),
        (b"X-Upper", b"b"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
    ];
    for (name, value) in bad {
        let (name, value) = (name.to_vec(), value.to_vec());
        let shown = format!("{:?}", String::from_utf8_lossy(&name));
        let target = saying(move |stream| {
            let block = [STATUS_200, &literal(&name, &value)].concat();
            let head = frame(HEADERS, END_HEADERS, stream, &block);
            [head, frame(DATA, END_STREAM, stream, b"body")].concat()
        });
        let gateway = gateway(&[target.address()], "");
        let answer = gateway.connect().request("GET", "/");
        assert_eq!(answer.status, 502, "{shown}: {}", answer.head);
    }
    // The frames themselves are fine.
    let target = saying(|stream| answer(stream, b"body"));
    let gateway = gateway(&[target.address()], "");
    assert_eq!(gateway.connect().request("GET", "/").text(), "body");
}

/// A target that is no HTTP/2 at all.
#[test]
fn a_target_of_http1_is_a_bad_gateway() {
    let target = Upstream::start(|_, peer| {
        peer.read_exact(24)?;
        peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        peer.end_sending();
        peer.rest().map(drop)
    });
    let gateway = gateway(&[target.address()], "");
    let answer = gateway.connect().request("GET", "/");
    assert_eq!(answer.status, 502, "{}", answer.head);
}

/// It opens no window for the body and does not answer.
#[test]
fn a_target_that_stalls_is_a_timeout() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut client = gateway.connect();
    let length = 1_000_000;
    client.send(format!("POST /stall HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"));
    let _ = client.try_send(vec![b'x'; length]);
    assert_eq!(client.answer().status, 504);
    let mut other = gateway.connect();
    assert_eq!(other.request("GET", "/").text(), "hello", "others go on meanwhile");
}

/// The time for the whole is over while the body waits for a window: the target hears of it at once.
#[test]
fn a_request_that_is_given_up_is_reset_though_its_body_is_under_way() {
    let target = Target::start();
    let text = configuration(&[target.address], "total_timeout_ms = 200");
    let gateway = Gateway::start(&text.replace("timeout_ms = 1_000", "timeout_ms = 600_000"));
    let mut client = gateway.connect();
    let length = 1_000_000;
    client.send(format!("POST /stall HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"));
    let _ = client.try_send(vec![b'x'; length]);
    assert_eq!(client.answer().status, 504);
    target.wait_until_given_up(1);
}

#[test]
fn an_early_answer_comes_while_the_body_is_under_way() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut old = gateway.connect();
    old.send("POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
    assert_eq!(old.answer().text(), "early");
    let mut new = Caller::connect(gateway.address("public"));
    let mut call = new.begin("POST", "/early");
    call.body.send_data(Bytes::from_static(b"x"), false).expect("sent");
    let answer = new.end(call).expect("an answer");
    assert_eq!((&answer.body[..], answer.cut), (&b"early"[..], None));
    assert_eq!(new.get("/").expect("an answer").body, "hello");
}
