//! HTTP/1 framing attacks by the number under which they were found elsewhere: what a codec alone
//! can refuse. What needs a driver (draining, tunnels, reuse of connections) is tested with it.

use shardgate::base::{Fault, Method};
use shardgate::proto::{
    BodyFraming, ChunkedDecoder, Decoded, FieldName, HeadLimits, HeadScanner, RequestHead,
    ResponseHead,
};

const LIMITS: HeadLimits =
    HeadLimits { request_line_bytes_max: 8_192, head_bytes_max: 10_240, headers_count_max: 128 };

/// What becomes of a request as the driver reads it: found by the scanner, then parsed.
fn request(bytes: impl AsRef<[u8]>) -> Result<RequestHead, Fault> {
    let bytes = bytes.as_ref();
    let end = HeadScanner::new().find_end(bytes, &LIMITS)?.expect("the head is whole");
    let mut head = RequestHead::new();
    head.parse(&bytes[..end], &LIMITS)?;
    Ok(head)
}

/// A POST to `/` with these field lines.
fn post(fields: &str) -> Result<RequestHead, Fault> {
    request(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn answer(fields: &str, request_method: Method) -> Result<ResponseHead, Fault> {
    let bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
    let end = HeadScanner::for_response().find_end(&bytes, &LIMITS)?.expect("the head is whole");
    let mut head = ResponseHead::new();
    head.parse(&bytes[..end], request_method)?;
    Ok(head)
}

fn chunks(body: &str) -> Result<Decoded, Fault> {
    ChunkedDecoder::new().decode(&mut body.as_bytes().to_vec())
}

#[test]
fn cve_2026_2835_transfer_encoding_in_http_1_0() {
    let head = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(request(head).err(), Some(Fault::BadFraming));
    let with_length = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(request(with_length).err(), Some(Fault::BadFraming));
}

#[test]
fn cve_2026_2835_several_transfer_encodings() {
    for fields in [
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
    ] {
        let fault = post(fields).err();
        assert!(matches!(fault, Some(Fault::BadFraming | Fault::NotImplemented)), "{fields:?}");
    }
}

#[test]
fn cve_2026_2835_no_request_body_ends_with_the_connection() {
    for line in ["POST / HTTP/1.0\r\n", "POST / HTTP/1.0\r\nConnection: close\r\n"] {
        assert_eq!(request(format!("{line}\r\n")).map(|head| head.framing), Ok(BodyFraming::None));
    }
    let fields = "Connection: close\r\nTransfer-Encoding: gzip\r\n";
    assert_eq!(post(fields).err(), Some(Fault::BadFraming));
}

#[test]
fn pingora_issue_945_content_length_with_transfer_encoding() {
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Connection: content-length\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        assert_eq!(post(fields).err(), Some(Fault::BadFraming), "{fields:?}");
        assert_eq!(answer(fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{fields:?}");
        assert_eq!(answer(fields, Method::Head).err(), Some(Fault::BadUpstreamAnswer));
    }
}

#[test]
fn cve_2026_58055_upgrade_with_a_body_is_no_upgrade() {
    let offer = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    assert!(post(offer).is_ok_and(|head| head.upgrade));
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = post(&format!("{offer}{body}")).expect("the request itself is fine");
        assert!(!head.upgrade && head.framing != BodyFraming::None);
        assert!(head.field(FieldName::Upgrade).is_some_and(|field| field.hop_by_hop));
    }
}

#[test]
fn cve_2026_2833_only_101_switches_protocols() {
    let head = answer("Connection: upgrade\r\nUpgrade: websocket\r\n", Method::Get);
    assert!(head.is_ok_and(|head| !head.upgrade));
}

#[test]
fn h2c_is_not_smuggled_through_a_tunnel() {
    let fields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let head = post(fields).expect("the offer is ignored");
    assert!(!head.upgrade);
    assert!(head.field(FieldName::Http2Settings).is_some_and(|field| field.hop_by_hop));
}

#[test]
fn cve_2025_64763_connect_is_not_offered() {
    let bytes = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nearly data";
    assert_eq!(request(bytes).err(), Some(Fault::NotImplemented));
}

#[test]
fn cve_2026_89044_and_66752_chunked_by_suffix_or_prefix() {
    for value in [
        "xchunked",
        "x-chunked",
        "chunkedx",
        "chunked,",
        ",chunked",
        "chunked, identity",
        "chunked;q=1",
        "chunked chunked",
        "\"chunked\"",
        "chunked\t,",
        "chun ked",
        "",
        ",",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(post(&fields).err(), Some(Fault::BadFraming), "{value:?}");
        assert_eq!(answer(&fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{value:?}");
    }
    assert_eq!(
        post("Transfer-Encoding: cHuNkEd\r\n").map(|head| head.framing),
        Ok(BodyFraming::Chunked)
    );
}

#[test]
fn cve_2023_40225_empty_content_length() {
    for fields in [
        "Content-Length:\r\n",
        "Content-Length: \t\r\n",
        "Content-Length: ,\r\n",
        "Content-Length: 1\r\nContent-Length:\r\n",
    ] {
        assert_eq!(post(fields).err(), Some(Fault::BadFraming), "{fields:?}");
        assert_eq!(answer(fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{fields:?}");
    }
}

#[test]
fn cve_2023_25725_empty_field_name() {
    for fields in [": x\r\nContent-Length: 3\r\n", ":\r\n", " : x\r\n"] {
        assert_eq!(post(fields).err(), Some(Fault::BadHeader), "{fields:?}");
        assert_eq!(answer(fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{fields:?}");
    }
}

#[test]
fn cve_2021_40346_long_field_names_keep_their_length() {
    for name_bytes in [255, 256, 257, 270, 4_096, 8_000] {
        let name = format!("Content-Length0{}", "a".repeat(name_bytes - 15));
        let head = post(&format!("{name}:\r\nContent-Length: 3\r\n")).expect("an unknown field");
        assert_eq!(head.framing, BodyFraming::Length(3));
        assert_eq!(head.fields.len(), 3);
        assert_eq!(head.fields[1].name.bytes(), name_bytes);
        assert_eq!(head.fields[1].known, FieldName::Other);
    }
}

#[test]
fn cve_2019_18277_other_whitespace_before_chunked() {
    for space in ['\x0b', '\x0c', '\u{85}', '\u{a0}'] {
        let fields = format!("Transfer-Encoding: {space}chunked\r\n");
        let fault = post(&fields).err();
        assert!(
            matches!(fault, Some(Fault::BadHeader | Fault::BadFraming)),
            "{space:?}: {fault:?}"
        );
    }
}

#[test]
fn cve_2023_47627_40175_lengths_that_number_parsers_take() {
    for value in [
        "+1",
        "-1",
        "-0",
        "0x1",
        "0X1",
        "0b1",
        "1_0",
        "1e1",
        "1.0",
        " +1",
        "1 1",
        "1L",
        "\u{661}",
        "18446744073709551616",
        "1,1",
        "1, 2",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        assert_eq!(post(&fields).err(), Some(Fault::BadFraming), "{value:?}");
        assert_eq!(answer(&fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{value:?}");
    }
}

#[test]
fn cve_2023_47627_40175_chunk_sizes_that_number_parsers_take() {
    for size in [
        "+1",
        "-1",
        "0x1",
        "1_0",
        " 1",
        "1 ",
        "\t1",
        "",
        "00000000000000001",
        "1h",
        "1.0",
        "\u{661}",
    ] {
        assert_eq!(
            chunks(&format!("{size}\r\na\r\n0\r\n\r\n")).err(),
            Some(Fault::BadChunk),
            "{size:?}"
        );
    }
}

#[test]
fn cve_2023_40175_end_of_the_trailer_section() {
    for end in [
        "0\r\n\n",
        "0\r\n\r",
        "0\r\nX: y\n\r\n",
        "0\r\n \r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n\rX\r\n",
    ] {
        let decoded = chunks(&format!("1\r\na\r\n{end}GET /admin HTTP/1.1\r\n\r\n"));
        assert_eq!(decoded.err(), Some(Fault::BadChunk), "{end:?}");
    }
    let text = "1\r\na\r\n0\r\nX: y\r\n\r\n";
    let decoded = chunks(&format!("{text}GET /next")).expect("well formed");
    assert_eq!(decoded, Decoded { payload_bytes: 1, consumed_bytes: text.len(), done: true });
}

#[test]
fn cve_2023_40518_space_before_the_colon() {
    for fields in
        ["Content-Length : 3\r\n", "Transfer-Encoding\t: chunked\r\n", "X : y\r\n", "X\x0b: y\r\n"]
    {
        assert_eq!(post(fields).err(), Some(Fault::BadHeader), "{fields:?}");
        assert_eq!(answer(fields, Method::Get).err(), Some(Fault::BadUpstreamAnswer), "{fields:?}");
    }
}

#[test]
fn cve_2023_34188_negative_lengths() {
    assert_eq!(post("Content-Length: -5\r\n").err(), Some(Fault::BadFraming));
    assert_eq!(chunks("-5\r\nabcde\r\n0\r\n\r\n").err(), Some(Fault::BadChunk));
    assert_eq!(chunks("fffffffffffffffff\r\n").err(), Some(Fault::BadChunk));
}

#[test]
fn cve_2025_22871_bare_line_feed_ends_a_chunk_size_line() {
    for body in [
        "1\na\r\n0\r\n\r\n",
        "1;x\na\r\n0\r\n\r\n",
        "1;x=\"\n\"\r\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r\n0\n\r\n",
    ] {
        assert_eq!(chunks(body).err(), Some(Fault::BadChunk), "{body:?}");
    }
}

#[test]
fn bare_carriage_returns_in_extensions_and_data_ends() {
    for body in ["1;x\rX\na\r\n", "1;\rx\r\na\r\n", "1\r\na\rX", "1\r\naX\n", "1\r\r\na\r\n"] {
        assert_eq!(chunks(body).err(), Some(Fault::BadChunk), "{body:?}");
    }
}

#[test]
fn cve_2023_39326_chunk_extensions_without_bound() {
    let line = format!("1;{}\r\na\r\n", "x".repeat(1_000));
    assert_eq!(chunks(&line).err(), Some(Fault::BadChunk));
    // Each line within its bound, a thousand of them not.
    let line = format!("1;{}\r\na\r\n", "x".repeat(200));
    assert!(chunks(&line).is_ok());
    assert_eq!(chunks(&line.repeat(1_000)).err(), Some(Fault::BadChunk));
}

#[test]
fn cve_2022_31813_connection_strips_nothing_that_others_rely_on() {
    let names = [
        "Host",
        "Content-Length",
        "Authorization",
        "Cookie",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Tenant",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Api-Key",
        "Content-Type",
        "Origin",
    ];
    let list = names.join(", ");
    let lines: String = names[2..].iter().map(|name| format!("{name}: v\r\n")).collect();
    let fields = format!("Content-Length: 0\r\n{lines}X-Mine: v\r\nConnection: {list}, x-mine\r\n");
    let head = post(&fields).expect("well formed");
    let stripped: Vec<_> = head.fields.iter().filter(|field| field.hop_by_hop).collect();
    assert_eq!(head.fields.len(), names.len() + 2);
    assert_eq!(stripped.len(), 2, "X-Mine and Connection: {stripped:?}");
    assert!(
        stripped
            .iter()
            .all(|field| matches!(field.known, FieldName::Other | FieldName::Connection))
    );
}

#[test]
fn trailers_do_not_change_how_a_message_was_read() {
    let body = "0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\n\
                X-Forwarded-For: 10.0.0.1\r\nConnection: close\r\nX-Checksum: 1\r\n\r\n";
    let mut decoder = ChunkedDecoder::new();
    let decoded = decoder.decode(&mut body.as_bytes().to_vec()).expect("well formed");
    assert!(decoded.done);
    assert_eq!(decoder.trailers(), b"X-Checksum: 1\r\n");
}

#[test]
fn answers_with_header_bombs_are_refused() {
    let many = "X: y\r\n".repeat(1_000);
    assert_eq!(answer(&many, Method::Get).err(), Some(Fault::BadUpstreamAnswer));
    let long = format!("X: {}\r\n", "y".repeat(100_000));
    assert_eq!(answer(&long, Method::Get).err(), Some(Fault::BadUpstreamAnswer));
}

#[test]
fn content_that_must_not_be_is_not_taken_for_the_next_answer() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let parse = |status: &str| {
            let mut head = ResponseHead::new();
            let text = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
            head.parse(text.as_bytes(), Method::Get).map(|()| (head.framing, head.keep_alive))
        };
        assert_eq!(parse("204 No Content"), Ok((BodyFraming::None, false)), "{fields:?}");
        assert_eq!(parse("103 Early Hints"), Err(Fault::BadUpstreamAnswer), "{fields:?}");
    }
}

#[test]
fn bytes_of_another_protocol_are_refused_at_their_first() {
    for start in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\x80\x2e\x01",
        b"\0",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\xff\xfb",
        b"{\"a\":1}",
    ] {
        assert_eq!(
            HeadScanner::new().find_end(start, &LIMITS),
            Err(Fault::BadRequestLine),
            "{start:?}"
        );
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(request(preface).err(), Some(Fault::VersionNotSupported));
}
