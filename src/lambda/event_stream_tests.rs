//! Event streams of other implementations and of our own, whole, cut and bent.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A frame as the SDK for Python reads it (botocore 1.43, `EventStreamBuffer`): a payload chunk.
const CHUNK: &str = "000000860000005ad03a22b10b3a6576656e742d7479706507000c5061796c6f61644368756e6b\
     0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d65737361\
     67652d747970650700056576656e747b22737461747573436f6465223a3230307d000000000000000068693ff099f9";

/// The same: the end of an invocation, with a header of each type.
const COMPLETE: &str = "000000b600000079d37ceb450d3a6d6573736167652d747970650700056576656e7401610001\
     6201016302050164030005016504000000050166050000000000000000016706000268690168080000000000000000\
     016909010101010101010101010101010101010b3a6576656e742d7479706507000e496e766f6b65436f6d706c657465\
     7b224572726f72436f6465223a22556e68616e646c6564222c224572726f7244657461696c73223a226e6f227dbdd04075";

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// What a stream says, and whether it ends between frames.
#[derive(Debug, Default, PartialEq)]
struct Said {
    payload: Vec<u8>,
    others: Vec<StreamEvent<'static>>,
    failure: Option<MalformedStream>,
    is_whole: bool,
}

/// What is said after feeding the pieces between `cuts`.
fn feed(stream: &[u8], cuts: &[usize]) -> Said {
    let (mut decoder, mut said, mut start) = (EventStreamDecoder::new(), Said::default(), 0);
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    for end in cuts.into_iter().chain([stream.len()]) {
        let mut piece = &stream[start..end];
        start = end;
        while !piece.is_empty() {
            let (taken, event) = match decoder.feed(piece) {
                Ok(fed) => fed,
                Err(failure) => return Said { failure: Some(failure), ..said },
            };
            match event {
                None => assert_eq!(taken, piece.len(), "more is taken only by a whole frame"),
                Some(StreamEvent::Payload(payload)) => said.payload.extend_from_slice(payload),
                Some(StreamEvent::Complete(one)) => said.others.push(StreamEvent::Complete(one)),
                Some(StreamEvent::Exception(one)) => said.others.push(StreamEvent::Exception(one)),
                Some(StreamEvent::Other) => said.others.push(StreamEvent::Other),
            }
            piece = &piece[taken..];
        }
    }
    said.is_whole = decoder.is_between_frames();
    said
}

#[test]
fn frames_of_other_implementations_are_read() {
    let said = feed(&[bytes_of(CHUNK), bytes_of(COMPLETE)].concat(), &[]);
    assert_eq!(said.payload, b"{\"statusCode\":200}\0\0\0\0\0\0\0\0hi");
    let complete = InvokeComplete {
        error_code: Some("Unhandled".into()),
        error_details: Some("no".into()),
        log_result: None,
    };
    assert_eq!(said.others, [StreamEvent::Complete(complete)]);
    assert!(said.is_whole && said.failure.is_none());
}

#[test]
fn what_is_written_is_what_others_write() {
    let mut out = Vec::new();
    append_payload_chunk(&mut out, b"{\"statusCode\":200}\0\0\0\0\0\0\0\0hi");
    assert_eq!(out, bytes_of(CHUNK));
}

#[test]
fn ends_and_exceptions_are_told() {
    let mut out = Vec::new();
    append_invoke_complete(&mut out, &InvokeComplete::default());
    append_frame(&mut out, &[(":event-type", "InvokeComplete"), (":message-type", "event")], b"");
    append_exception(&mut out, "ServiceException", b"{\"Message\":\"no\"}");
    let error =
        [(":message-type", "error"), (":error-code", "E"), (":error-message", "was nothing")];
    append_frame(&mut out, &error, b"");
    append_frame(&mut out, &[(":event-type", "Later"), (":message-type", "event")], b"{}");
    let exception = |kind: &str, message: &str| {
        StreamEvent::Exception(StreamException { kind: kind.into(), message: message.into() })
    };
    let wanted = [
        StreamEvent::Complete(InvokeComplete::default()),
        StreamEvent::Complete(InvokeComplete::default()),
        exception("ServiceException", "{\"Message\":\"no\"}"),
        exception("E", "was nothing"),
        StreamEvent::Other,
    ];
    assert_eq!(feed(&out, &[]).others, wanted);
}

#[test]
fn a_bit_that_is_wrong_is_noticed() {
    let frame = bytes_of(CHUNK);
    for at in 0..frame.len() {
        let mut bent = frame.clone();
        bent[at] ^= 1;
        assert_eq!(feed(&bent, &[]).failure, Some(MalformedStream::Checksum), "{at}");
    }
}

/// The first part of a frame of these lengths.
fn prelude(length: usize, headers_bytes: usize) -> Vec<u8> {
    let mut bytes = (length as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&(headers_bytes as u32).to_be_bytes());
    bytes.extend_from_slice(&checksum(&bytes).to_be_bytes());
    bytes
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    let length = Some(MalformedStream::Length);
    let (headers_max, payload_max) = (EVENT_HEADERS_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX);
    for (bytes, wanted) in [
        (prelude(16, 0), None),
        (prelude(15, 0), length),
        (prelude(0, 0), length),
        (prelude(20, 5), length),
        (prelude(16 + headers_max, headers_max), None),
        (prelude(17 + headers_max, headers_max + 1), length),
        (prelude(16 + payload_max, 0), None),
        (prelude(17 + payload_max, 0), length),
        (prelude(u32::MAX as usize, u32::MAX as usize), length),
    ] {
        assert_eq!(feed(&bytes, &[]).failure, wanted, "{}", bytes.escape_ascii());
    }
}

#[test]
fn headers_that_are_none_are_malformed() {
    let with_headers = |headers: &[u8]| {
        let mut frame = prelude(16 + headers.len(), headers.len());
        frame.extend_from_slice(headers);
        frame.extend_from_slice(&checksum(&frame).to_be_bytes());
        feed(&frame, &[]).failure
    };
    let cases: [&[u8]; 8] = [
        b"",                      // no message type
        b"\x00\x00",              // no name
        b"\x01a",                 // no type
        b"\x01a\x0a",             // a type that is none
        b"\x01a\x00\x01a\x00",    // twice
        b"\x01a\x07\x00\x02b",    // shorter than it says
        b"\x01a\x07\x00\x01\xff", // no text
        b"\x01\xff\x00",          // no name of letters
    ];
    for headers in cases {
        let said = with_headers(headers);
        assert_eq!(said, Some(MalformedStream::Headers), "{}", headers.escape_ascii());
    }
    assert_eq!(with_headers(b"\x0d:message-type\x07\x00\x05event"), None);
}

#[test]
fn a_long_piece_is_several_frames() {
    let payload = vec![7; EVENT_PAYLOAD_BYTES_MAX + 1];
    let mut out = Vec::new();
    append_payload_chunk(&mut out, &payload);
    append_payload_chunk(&mut out, b"");
    let said = feed(&out, &[]);
    assert!(said.payload == payload && said.is_whole);
}

proptest! {
    #[test]
    fn any_stream_reads_the_same_however_it_is_cut(
        pieces in vec(vec(any::<u8>(), 0..40), 0..6),
        cuts in vec(any::<usize>(), 0..8),
        (end, bend) in (any::<usize>(), any::<u8>()),
    ) {
        let mut stream = Vec::new();
        for piece in &pieces {
            append_payload_chunk(&mut stream, piece);
        }
        append_invoke_complete(&mut stream, &InvokeComplete::default());
        let whole = feed(&stream, &[]);
        prop_assert_eq!(&whole.payload, &pieces.concat());
        prop_assert!(whole.is_whole);
        prop_assert_eq!(feed(&stream, &cuts), whole);
        // The same for one that is cut short or wrong.
        stream.truncate(end % (stream.len() + 1));
        if let Some(last) = stream.last_mut() {
            *last ^= bend;
        }
        prop_assert_eq!(feed(&stream, &cuts), feed(&stream, &[]));
    }

    #[test]
    fn any_bytes_are_frames_or_malformed(
        bytes in vec(any::<u8>(), 0..60),
        cuts in vec(any::<usize>(), 0..4),
    ) {
        prop_assert_eq!(feed(&bytes, &cuts), feed(&bytes, &[]));
    }

    #[test]
    fn any_end_is_told_as_it_was_written(
        code in proptest::option::of(".*"),
        details in proptest::option::of(".*"),
    ) {
        let complete = InvokeComplete { error_code: code, error_details: details, log_result: None };
        let mut stream = Vec::new();
        append_invoke_complete(&mut stream, &complete);
        prop_assert_eq!(feed(&stream, &[]).others, [StreamEvent::Complete(complete)]);
    }
}
