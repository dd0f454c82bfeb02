//! What a target's answer may be, must not be, and is taken to mean.

use proptest::prelude::*;

use super::*;

fn parse(head: &str, request_method: Method) -> Result<ResponseHead, Fault> {
    let mut parsed = ResponseHead::new();
    parsed.parse(head.as_bytes(), request_method).map(|()| parsed)
}

/// An answer to GET with this status and these field lines.
fn answer(status: u16, fields: &str) -> Result<ResponseHead, Fault> {
    parse(&format!("HTTP/1.1 {status} \r\n{fields}\r\n"), Method::Get)
}

#[test]
fn a_head_is_cut_into_its_parts() {
    let text =
        "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nX-One: \t1 \r\nConnection: x-one\r\n\r\n";
    let head = parse(text, Method::Get).expect("well formed");
    let bytes = text.as_bytes();
    assert_eq!((head.status, head.reason.of(bytes)), (404, &b"Not Found"[..]));
    assert_eq!((head.version, head.head_bytes), (Version::Http11, text.len()));
    assert_eq!(head.framing, BodyFraming::Length(3));
    assert!(head.keep_alive && !head.upgrade && !head.is_interim());
    let field = head.field_by_name(bytes, b"x-one").expect("it is there");
    assert_eq!(field.value.of(bytes), b"1");
    assert!(field.hop_by_hop);
    assert!(!head.field(FieldName::ContentLength).expect("it is there").hop_by_hop);
}

#[test]
fn the_reason_may_be_anything_or_nothing() {
    for (line, reason) in [
        ("HTTP/1.1 200 OK", "OK"),
        ("HTTP/1.1 200 ", ""),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 200 a  b\t", "a  b\t"),
        ("HTTP/1.0 200 \u{e4}", "\u{e4}"),
    ] {
        let text = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        let head = parse(&text, Method::Get).expect(line);
        assert_eq!(head.reason.of(text.as_bytes()), reason.as_bytes());
    }
}

#[test]
fn bad_status_lines_are_refused() {
    for line in [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 099 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 999 x",
        "HTTP/1.1 +20 x",
        "HTTP/1.1  200 x",
        "HTTP/1.1\t200 x",
        "HTTP/2.0 200 x",
        "HTTP/1.2 200 x",
        "http/1.1 200 x",
        "\r\nHTTP/1.1 200 x",
        " HTTP/1.1 200 x",
        "HTTP/1.1 200 a\0",
        "HTTP/1.1 200 a\rb",
        "HTTP/1.1 200 a\nX: y",
        "HTTP/1.1 200\nX: y",
        "HTTP/1.1 200\tx",
    ] {
        let fault = parse(&format!("{line}\r\nContent-Length: 0\r\n\r\n"), Method::Get).err();
        assert_eq!(fault, Some(Fault::BadUpstreamAnswer), "{line:?}");
    }
    assert!(answer(100, "").is_ok() && answer(599, "").is_ok());
}

#[test]
fn bad_field_lines_are_refused() {
    for bad in [
        "X : y\r\n",
        " X: y\r\n",
        "X\r\n",
        ": y\r\n",
        "X: y\r\n z\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: y\n",
        "X: a\nY: b\r\n",
        "\n",
        "X: \x7f\r\n",
    ] {
        assert_eq!(answer(200, bad).err(), Some(Fault::BadUpstreamAnswer), "{bad:?}");
    }
}

#[test]
fn bodies_end_by_length_chunks_or_the_connection() {
    let framing = |fields: &str| answer(200, fields).map(|head| (head.framing, head.keep_alive));
    assert_eq!(framing("Content-Length: 5\r\n"), Ok((BodyFraming::Length(5), true)));
    assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Ok((BodyFraming::Chunked, true)));
    assert_eq!(framing(""), Ok((BodyFraming::UntilClose, false)));
    assert_eq!(framing("Connection: keep-alive\r\n"), Ok((BodyFraming::UntilClose, false)));
    assert_eq!(
        framing("Connection: close\r\nContent-Length: 5\r\n"),
        Ok((BodyFraming::Length(5), false))
    );
    for bad in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length:\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    ] {
        assert_eq!(framing(bad), Err(Fault::BadUpstreamAnswer), "{bad:?}");
    }
}

#[test]
fn http_1_0_answers_close_unless_they_say_otherwise() {
    let old = |fields: &str| {
        parse(&format!("HTTP/1.0 200 OK\r\n{fields}\r\n"), Method::Get)
            .map(|head| (head.framing, head.keep_alive))
    };
    assert_eq!(old(""), Ok((BodyFraming::UntilClose, false)));
    assert_eq!(old("Content-Length: 1\r\n"), Ok((BodyFraming::Length(1), false)));
    assert_eq!(
        old("Content-Length: 1\r\nConnection: keep-alive\r\n"),
        Ok((BodyFraming::Length(1), true))
    );
    assert_eq!(old("Connection: keep-alive\r\n"), Ok((BodyFraming::UntilClose, false)));
    assert_eq!(old("Transfer-Encoding: chunked\r\n"), Err(Fault::BadUpstreamAnswer));
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    for status in [204, 304, 100, 103, 199] {
        assert_eq!(
            answer(status, "").map(|head| (head.framing, head.keep_alive)),
            Ok((BodyFraming::None, true))
        );
    }
    let head =
        parse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Method::Head).expect("well formed");
    assert_eq!((head.framing, head.keep_alive), (BodyFraming::None, true));
    assert!(!head.field(FieldName::ContentLength).expect("it is there").hop_by_hop);
    let head = parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Head);
    assert_eq!(head.map(|head| (head.framing, head.keep_alive)), Ok((BodyFraming::None, true)));
    let head = answer(304, "Content-Length: 9\r\n").expect("well formed");
    assert_eq!((head.framing, head.keep_alive), (BodyFraming::None, true));
    assert!(!head.field(FieldName::ContentLength).expect("it is there").hop_by_hop);
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(both, Method::Head).err(), Some(Fault::BadUpstreamAnswer));
}

#[test]
fn a_connection_is_not_kept_after_a_body_that_must_not_be() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = answer(204, fields).expect("it is parsed");
        assert_eq!((head.framing, head.keep_alive), (BodyFraming::None, false), "{fields}");
        assert!(head.fields.iter().all(|field| field.hop_by_hop), "{fields}");
        for status in [100, 103] {
            assert_eq!(answer(status, fields).err(), Some(Fault::BadUpstreamAnswer), "{fields}");
        }
        let switching = format!("Upgrade: x\r\n{fields}");
        assert_eq!(answer(101, &switching).err(), Some(Fault::BadUpstreamAnswer), "{fields}");
    }
    for status in [103, 204] {
        let head = answer(status, "Content-Length: 0\r\n").expect("well formed");
        assert!(head.keep_alive && head.fields.iter().all(|field| field.hop_by_hop));
    }
}

#[test]
fn switching_protocols_says_to_what() {
    let head = answer(101, "Upgrade: websocket\r\nConnection: upgrade\r\n").expect("well formed");
    assert!(head.upgrade && !head.is_interim() && head.framing == BodyFraming::None);
    assert!(answer(100, "").is_ok_and(|head| head.is_interim() && !head.upgrade));
    assert_eq!(answer(101, "").err(), Some(Fault::BadUpstreamAnswer));
    let old = parse("HTTP/1.0 101 x\r\nUpgrade: y\r\n\r\n", Method::Get).err();
    assert_eq!(old, Some(Fault::BadUpstreamAnswer));
}

#[test]
fn header_bombs_are_refused() {
    let lines = "X: y\r\n".repeat(HEADERS_COUNT_MAX + 1);
    let with_fields = |count: usize| answer(200, &lines[..count * 6]).err();
    assert_eq!(with_fields(HEADERS_COUNT_MAX - 1), None);
    assert_eq!(with_fields(HEADERS_COUNT_MAX), None);
    assert_eq!(with_fields(HEADERS_COUNT_MAX + 1), Some(Fault::BadUpstreamAnswer));
    let of_bytes = |bytes: usize| answer(200, &format!("X: {}\r\n", "y".repeat(bytes - 22))).err();
    assert_eq!(of_bytes(HEAD_BYTES_CEILING), None);
    assert_eq!(of_bytes(HEAD_BYTES_CEILING + 1), Some(Fault::BadUpstreamAnswer));
}

#[test]
fn a_parsed_head_leaves_nothing_behind_for_the_next() {
    let mut head = ResponseHead::new();
    head.parse(b"HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\n", Method::Get).expect("well formed");
    let next = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    head.parse(next.as_bytes(), Method::Get).expect("well formed");
    assert_eq!(
        format!("{head:?}"),
        format!("{:?}", parse(next, Method::Get).expect("well formed"))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..120), status in 90_u16..610) {
        let mut head = ResponseHead::new();
        let _ = head.parse(&bytes, Method::Get);
        let start = format!("HTTP/1.1 {status} ");
        let text = [start.as_bytes(), &bytes, b"\r\n\r\n"].concat();
        if head.parse(&text, Method::Get).is_ok() {
            prop_assert!((100..=599).contains(&head.status));
            prop_assert!(!head.keep_alive || head.framing != BodyFraming::UntilClose);
        }
    }
}
