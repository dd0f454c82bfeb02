//! gRPC-Web: calls without trailers, in binary and in base64, over HTTP/1.1 and HTTP/2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::Message as _;

use super::caller::Caller;
use super::harness::{self, Client, Gateway};
use super::probe::{Answer, Ask, DOWN, Probe, UNARY};
use super::site::{configuration, numbered};
use super::target::Target;

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";

/// A service on a runtime of its own, and a gateway before it.
struct Site {
    gateway: Gateway,
    _probe: Probe,
    _runtime: tokio::runtime::Runtime,
}

impl Site {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let probe = runtime.block_on(Probe::start());
        let gateway = Gateway::start(&configuration(&[probe.address], "", ""));
        Self { gateway, _probe: probe, _runtime: runtime }
    }
}

fn framed(ask: &Ask) -> Vec<u8> {
    let message = ask.encode_to_vec();
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[0][..], &length, &message].concat()
}

/// What a body has: messages, and the trailers of the last one.
#[derive(Debug, Default)]
struct Read {
    answers: Vec<Answer>,
    trailers: Option<String>,
}

fn read(mut body: &[u8]) -> Read {
    let mut read = Read::default();
    while !body.is_empty() {
        assert_eq!(read.trailers, None, "something lies behind the trailers");
        let (flags, length) = (body[0], u32::from_be_bytes([body[1], body[2], body[3], body[4]]));
        let (message, rest) = body[5..].split_at(length as usize);
        match flags {
            0 => read.answers.push(Answer::decode(message).expect("an answer")),
            0x80 => read.trailers = Some(String::from_utf8(message.to_vec()).expect("text")),
            _ => panic!("flags {flags}"),
        }
        body = rest;
    }
    read
}

/// Padding may end any group of four.
fn decoded(text: &[u8]) -> Vec<u8> {
    let groups = text.chunks(4).map(|group| STANDARD.decode(group).expect("base64"));
    groups.collect::<Vec<_>>().concat()
}

fn ask_old(client: &mut Client, method: &str, kind: &str, body: &[u8]) -> harness::Answer {
    let length = body.len();
    client.send(format!(
        "POST {method} HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\nx-grpc-web: 1\r\n\
         content-length: {length}\r\n\r\n"
    ));
    client.send(body);
    client.answer()
}

fn ask_new(client: &mut Caller, method: &str, kind: &str, body: &[u8]) -> super::caller::Came {
    let mut call = client.begin_with("POST", method, &[("content-type", kind)]);
    call.body.send_data(Bytes::copy_from_slice(body), true).expect("sent");
    client.end(call).expect("an answer")
}

#[test]
fn unary_calls() {
    let site = Site::new();
    let mut old = site.gateway.connect();
    let mut new = Caller::connect(site.gateway.address("public"));
    let ask = Ask { payload: vec![0xfe; 100], ..numbered(5) };
    for kind in [BINARY, TEXT] {
        let in_text = kind == TEXT;
        let body = if in_text { STANDARD.encode(framed(&ask)).into() } else { framed(&ask) };
        let raw = |body: &[u8]| if in_text { decoded(body) } else { body.to_vec() };
        let check = |body: &[u8]| {
            let read = read(&raw(body));
            assert_eq!(read.answers, [Answer { number: 5, payload: vec![0xfe; 100] }]);
            assert_eq!(read.trailers.as_deref(), Some("grpc-status: 0\r\n"));
        };
        let answer = ask_old(&mut old, UNARY, kind, &body);
        // The service says `application/grpc`, without the coding of messages.
        let kind = kind.trim_end_matches("+proto");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        check(&answer.body);
        assert_eq!(answer.trailers, []);
        let answer = ask_new(&mut new, UNARY, &format!("{kind}+proto"), &body);
        assert_eq!((answer.status(), answer.field("content-type")), (200, Some(kind)));
        check(&answer.body);
        assert!(answer.trailers.is_empty());
    }
}

#[test]
fn streams_of_answers() {
    let site = Site::new();
    let mut old = site.gateway.connect();
    let mut new = Caller::connect(site.gateway.address("public"));
    let ask = Ask {
        count: 300,
        payload: vec![3; 1_001],
        code: 5,
        text: "a\u{e4}".to_owned(),
        ..Ask::default()
    };
    for kind in [BINARY, TEXT] {
        let in_text = kind == TEXT;
        let body = if in_text { STANDARD.encode(framed(&ask)).into() } else { framed(&ask) };
        let check = |body: &[u8]| {
            let read = read(&if in_text { decoded(body) } else { body.to_vec() });
            let numbers: Vec<_> = read.answers.iter().map(|answer| answer.number).collect();
            assert!(numbers.into_iter().eq(0..300));
            assert!(read.answers.iter().all(|answer| answer.payload == [3; 1_001]));
            let trailers = read.trailers.expect("the last message");
            assert!(trailers.contains("grpc-status: 5\r\n"), "{trailers}");
            assert!(trailers.contains("grpc-message: a%C3%A4\r\n"), "{trailers}");
            assert!(trailers.contains("x-trailer: behind\r\n"), "{trailers}");
        };
        check(&ask_old(&mut old, DOWN, kind, &body).body);
        check(&ask_new(&mut new, DOWN, kind, &body).body);
    }
}

/// An error without messages has its status in the head.
#[test]
fn errors_without_messages() {
    let site = Site::new();
    let mut old = site.gateway.connect();
    let mut new = Caller::connect(site.gateway.address("public"));
    let body = framed(&Ask { code: 9, text: "no".to_owned(), ..Ask::default() });
    for _ in 0..2 {
        let answer = ask_old(&mut old, UNARY, BINARY, &body);
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("9")));
        assert_eq!(
            (answer.header("content-type"), answer.text()),
            (Some("application/grpc-web"), "")
        );
        let answer = ask_new(&mut new, UNARY, BINARY, &body);
        assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("9")));
    }
}

/// However the text is cut, and if it is several texts, each with its padding.
#[test]
fn text_comes_in_any_pieces() {
    let site = Site::new();
    let ask = Ask { payload: (0..=255).collect(), ..numbered(8) };
    let bytes = framed(&ask);
    let whole = STANDARD.encode(&bytes);
    let several: String = bytes.chunks(7).map(|piece| STANDARD.encode(piece)).collect();
    for text in [whole, several] {
        for cut in [1, 2, 3, 5, 64] {
            let mut client = site.gateway.connect();
            client.send(format!(
                "POST {UNARY} HTTP/1.1\r\nhost: a\r\ncontent-type: {TEXT}\r\n\
                 transfer-encoding: chunked\r\n\r\n"
            ));
            for piece in text.as_bytes().chunks(cut) {
                client.send(format!("{:x}\r\n", piece.len()));
                client.send(piece);
                client.send("\r\n");
            }
            client.send("0\r\n\r\n");
            let read = read(&decoded(&client.answer().body));
            assert_eq!(read.answers, [Answer { number: 8, payload: (0..=255).collect() }]);
        }
    }
}

/// More than is read before a target is asked: the text is decoded on its way.
#[test]
fn long_texts_are_decoded_on_their_way() {
    let site = Site::new();
    let ask = Ask { payload: vec![0xab; 400_001], ..numbered(8) };
    let text = STANDARD.encode(framed(&ask));
    let answer = ask_old(&mut site.gateway.connect(), UNARY, TEXT, text.as_bytes());
    let read = read(&decoded(&answer.body));
    assert_eq!(read.answers[0].payload, vec![0xab; 400_001]);
    assert_eq!(read.trailers.as_deref(), Some("grpc-status: 0\r\n"));
}

#[test]
fn what_is_no_text_is_an_error() {
    let site = Site::new();
    let long = ["A".repeat(40_000), "####".to_owned()].concat();
    for text in ["####", "AAAAA", "AAAA=AAA", &long] {
        let mut client = site.gateway.connect();
        let answer = ask_old(&mut client, UNARY, TEXT, text.as_bytes());
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("13")), "{text:.9}");
    }
    assert_eq!(
        ask_old(&mut site.gateway.connect(), UNARY, BINARY, &framed(&numbered(1))).status,
        200
    );
}

#[test]
fn errors_of_the_gateway_are_told_in_the_head() {
    let site = Site::new();
    let mut client = site.gateway.connect();
    for kind in [BINARY, TEXT, "application/grpc"] {
        // On one connection: each answer has an end.
        let answer = ask_old(&mut client, "/nowhere.Service/Method", kind, &framed(&numbered(1)));
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("12")), "{kind}");
        assert_eq!(answer.header("grpc-message"), Some("Not Found"));
        assert_eq!(answer.header("content-length"), Some("0"));
    }
}

#[test]
fn a_group_may_pass_it_as_it_is() {
    let target = Target::start();
    let route = "[[api.route]]\nkey = \"$default\"\nupstream = \"backend\"\n";
    let text = configuration(&[target.address], "grpc_web = false", route);
    let gateway = Gateway::start(&text);
    for (kind, body) in [(BINARY, &b"\0\0\0\0\0"[..]), (TEXT, b"AAAAAAA="), (TEXT, b"####")] {
        let answer = ask_old(&mut gateway.connect(), "/mirror", kind, body);
        assert_eq!((answer.status, &answer.body[..]), (200, body));
        assert_eq!(answer.header("x-saw-content-type"), Some(kind));
    }
}
