//! Bodies whole, cut anywhere, malformed, and at each bound.

use proptest::prelude::*;

use super::*;

/// Payload, trailers and bytes consumed of `body`, fed in parts that end at `cuts`.
fn decode_cut(body: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Vec<u8>, usize), Fault> {
    let mut decoder = ChunkedDecoder::new();
    let (mut payload, mut consumed, mut start) = (Vec::new(), 0, 0);
    for end in cuts.iter().copied().chain([body.len()]) {
        let mut part = body[start..end].to_vec();
        let decoded = decoder.decode(&mut part)?;
        payload.extend_from_slice(&part[..decoded.payload_bytes]);
        consumed += decoded.consumed_bytes;
        if decoded.done {
            return Ok((payload, decoder.trailers().to_vec(), consumed));
        }
        assert_eq!(decoded.consumed_bytes, part.len());
        start = end;
    }
    Err(Fault::ClientGone) // stands for "not finished" in these tests
}

fn decode(body: &str) -> Result<(Vec<u8>, Vec<u8>, usize), Fault> {
    decode_cut(body.as_bytes(), &[])
}

fn payload(body: &str) -> Result<String, Fault> {
    decode(body).map(|(payload, ..)| String::from_utf8(payload).expect("text"))
}

#[test]
fn chunks_are_joined() {
    assert_eq!(payload("0\r\n\r\n").as_deref(), Ok(""));
    assert_eq!(payload("4\r\nWiki\r\n6\r\npedia \r\n0\r\n\r\n").as_deref(), Ok("Wikipedia "));
    assert_eq!(payload("0004\r\nWiki\r\n000\r\n\r\n").as_deref(), Ok("Wiki"));
    assert_eq!(payload("A\r\n0123456789\r\n0\r\n\r\n").as_deref(), Ok("0123456789"));
}

#[test]
fn bytes_after_the_body_are_left_alone() {
    let mut bytes = b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n".to_vec();
    let decoded = ChunkedDecoder::new().decode(&mut bytes).expect("well formed");
    assert_eq!(decoded, Decoded { payload_bytes: 1, consumed_bytes: 11, done: true });
    assert_eq!(&bytes[decoded.consumed_bytes..], b"GET / HTTP/1.1\r\n");
}

#[test]
fn sizes_have_one_to_sixteen_digits() {
    assert_eq!(payload("0000000000000001\r\na\r\n0\r\n\r\n").as_deref(), Ok("a"));
    assert_eq!(payload("00000000000000001\r\na\r\n0\r\n\r\n"), Err(Fault::BadChunk));
    let mut largest = *b"ffffffffffffffff\r\nabc";
    let decoded = ChunkedDecoder::new().decode(&mut largest).expect("64 bits");
    assert_eq!(decoded, Decoded { payload_bytes: 3, consumed_bytes: 21, done: false });
}

#[test]
fn malformed_framing_is_refused() {
    for bad in [
        "\r\n",
        "+1\r\n",
        "-1\r\n",
        "0x1\r\n",
        "1_0\r\n",
        " 1\r\n",
        "1 \r\n",
        "1\t\r\n",
        "g\r\n",
        "1\n",
        "1\r\r",
        "1\ra",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\r\r",
        "1\r\na\r\n\r\n",
        ";a\r\n",
        "1,\r\n",
        "1\0\r\n",
        "0\r\n\n",
        "0\n\n",
        "1\r\na0\r\n\r\n",
    ] {
        assert_eq!(decode(bad), Err(Fault::BadChunk), "{bad:?}");
    }
}

#[test]
fn extensions_follow_their_grammar() {
    for fine in [
        ";a",
        ";a=b",
        ";a=\"b c\"",
        ";a=\"\\\"\\\\\"",
        "; a = b",
        " ;a",
        "\t; \ta\t=\t\"\t\" ;b",
        ";a;b=c",
        ";a ;b",
        ";a=\"\u{e4}\"",
        ";a=\"\"",
    ] {
        assert_eq!(
            payload(&format!("1{fine}\r\na\r\n0{fine}\r\n\r\n")).as_deref(),
            Ok("a"),
            "{fine:?}"
        );
    }
    for bad in [
        ";",
        ";;",
        ";=b",
        ";a=",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\"c",
        ";a ",
        ";a=b ",
        ";a=\"b\" ",
        " ",
        ";a=\"\x01\"",
        ";a=\"\\",
        ";a\x7f",
        ";(",
        ";a=\"\n\"",
        ";a\n",
        ";a=b\n",
        ";a=\"b\"\n",
        ";\r",
        "; \r",
    ] {
        assert_eq!(decode(&format!("1{bad}\r\na\r\n0\r\n\r\n")), Err(Fault::BadChunk), "{bad:?}");
    }
}

#[test]
fn size_lines_have_a_bound() {
    let body = |line_bytes: usize| {
        let name = "x".repeat(line_bytes - "1;".len());
        format!("1;{name}\r\na\r\n0\r\n\r\n")
    };
    assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX - 1)).as_deref(), Ok("a"));
    assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX)).as_deref(), Ok("a"));
    assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX + 1)), Err(Fault::BadChunk));
}

#[test]
fn extensions_that_outweigh_the_payload_are_bounded_in_sum() {
    // 127 extension bytes and their CR to 1 byte of payload: 127 of excess a chunk.
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(127));
    let fitting = (EXCESS_BYTES_MAX / 127) as usize;
    assert!(payload(&(chunk.repeat(fitting) + "0\r\n\r\n")).is_ok());
    assert_eq!(payload(&(chunk.repeat(fitting + 1) + "0\r\n\r\n")), Err(Fault::BadChunk));
    let weighty = format!("80;{}\r\n{}\r\n", "x".repeat(127), "a".repeat(128));
    assert!(payload(&(weighty.repeat(2_000) + "0\r\n\r\n")).is_ok());
}

#[test]
fn trailers_are_given_when_the_body_is_done() {
    let (payload, trailers, _) =
        decode("1\r\na\r\n0\r\nDigest: x\r\nHost: evil\r\n\r\n").expect("well formed");
    assert_eq!((&payload[..], &trailers[..]), (&b"a"[..], &b"Digest: x\r\n"[..]));
}

#[test]
fn a_failed_decoder_stays_failed_until_reset() {
    let mut decoder = ChunkedDecoder::new();
    assert_eq!(decoder.decode(&mut b"1;x\r\na\r\nz".to_vec()), Err(Fault::BadChunk));
    assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_vec()), Err(Fault::BadChunk));
    decoder.reset();
    let decoded = decoder.decode(&mut b"0\r\na: b\r\n\r\n".to_vec()).expect("well formed");
    assert!(decoded.done);
    decoder.reset();
    assert_eq!(decoder.trailers(), b"");
    assert!(!decoder.decode(&mut []).expect("nothing is not wrong").done);
}

#[test]
fn a_done_decoder_takes_no_more() {
    let mut decoder = ChunkedDecoder::new();
    assert!(decoder.decode(&mut b"0\r\n\r\n".to_vec()).expect("well formed").done);
    let decoded = decoder.decode(&mut b"1\r\na".to_vec()).expect("nothing to do");
    assert_eq!(decoded, Decoded { payload_bytes: 0, consumed_bytes: 0, done: true });
}

/// A body of chunks of these sizes, with and without extensions and trailers.
fn body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let chunk = (proptest::collection::vec(any::<u8>(), 1..40), any::<bool>());
    (proptest::collection::vec(chunk, 0..6), any::<bool>()).prop_map(|(chunks, trailer)| {
        let (mut body, mut payload) = (Vec::new(), Vec::new());
        for (data, extension) in chunks {
            let extension = if extension { ";a=\"b;c\"" } else { "" };
            body.extend_from_slice(format!("{:X}{extension}\r\n", data.len()).as_bytes());
            body.extend_from_slice(&data);
            body.extend_from_slice(b"\r\n");
            payload.extend_from_slice(&data);
        }
        body.extend_from_slice(if trailer { b"0\r\nx: y\r\n\r\n" } else { b"0\r\n\r\n" });
        (body, payload)
    })
}

proptest! {
    #[test]
    fn a_body_cut_anywhere_decodes_the_same((body, wanted) in body(), cuts in any::<[prop::sample::Index; 4]>()) {
        let mut cuts = cuts.map(|cut| cut.index(body.len() + 1));
        cuts.sort_unstable();
        let whole = decode_cut(&body, &[]);
        prop_assert_eq!(whole.as_ref().map(|(payload, ..)| payload), Ok(&wanted));
        prop_assert_eq!(decode_cut(&body, &cuts), whole.clone());
        let every_byte: Vec<usize> = (0..body.len()).collect();
        prop_assert_eq!(decode_cut(&body, &every_byte), whole);
    }

    #[test]
    fn any_bytes_cut_anywhere_get_one_answer(text in "[0-3a;=\" x\r\n]{0,40}", cut: prop::sample::Index) {
        let cut = cut.index(text.len() + 1);
        prop_assert_eq!(decode_cut(text.as_bytes(), &[cut]), decode_cut(text.as_bytes(), &[]));
    }
}
