//! The laws of what functions answer: whatever they say, no header ends its line or speaks of the
//! connection, and a stream reads the same however it is cut.

use shardgate::lambda::{
    Answer, AnswerRules, EventStreamDecoder, Flavour, Malformed, MalformedStream, PreludeStep,
    StreamEvent, StreamPrelude, answer_v1, answer_v2, append_exception, append_invoke_complete,
    append_payload_chunk, bare_error_message, error_message, function_error,
};
use shardgate::model::{ApiPlace, FunctionPermission, SourceArn};

/// An answer, in both formats and for both kinds of API, is one that may be sent.
pub fn function_answer(bytes: &[u8]) {
    for flavour in [Flavour::Rest, Flavour::Http] {
        for decodes_base64 in [false, true] {
            check(&answer_v1(bytes, AnswerRules { flavour, decodes_base64 }));
        }
    }
    check(&answer_v2(bytes));
    if let Some(error) = function_error(bytes) {
        assert_eq!(error_message(bytes), Some(error.message));
    }
    // What is an error though nobody said so is the same one as when somebody does.
    if let Some(message) = bare_error_message(bytes) {
        assert_eq!(error_message(bytes), Some(message));
    }
}

/// Whoever is named may call, and a pattern that takes more allows no less. The input is a pattern, a
/// line end, the key of a route.
pub fn source_arn(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((pattern, key)) = text.split_once('\n') else { return };
    let place = ApiPlace {
        region: "us-east-1",
        account_id: "111111111111",
        api_id: "a1b2c3",
        stage_name: "prod",
    };
    let source = SourceArn::of_route(place, key);
    if let Some(own) = FunctionPermission::parse(&source.to_string()) {
        assert!(own.allows(&source), "{source}");
    }
    let Some(permission) = FunctionPermission::parse(pattern) else { return };
    assert_eq!(permission.to_string(), pattern);
    let wider = FunctionPermission::parse(&format!("{pattern}*"));
    if let (true, Some(wider)) = (permission.allows(&source), wider) {
        assert!(wider.allows(&source), "{pattern}* does not allow {source}");
    }
}

/// The first byte says where the stream is cut.
pub fn stream_prelude(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let cut = usize::from(*cut).min(stream.len());
    let whole = feed(stream, stream.len());
    assert_eq!(feed(stream, cut), whole);
    if let Ok(Some((answer, body))) = whole {
        assert!(answer.body.is_empty() && stream.ends_with(&body));
        check(&Ok(answer));
    }
}

type Fed = Result<Option<(Answer<'static>, Vec<u8>)>, Malformed>;

fn feed(stream: &[u8], cut: usize) -> Fed {
    let mut prelude = StreamPrelude::new();
    let (first, second) = stream.split_at(cut);
    for (piece, later) in [(first, second), (second, &b""[..])] {
        if let PreludeStep::Done { answer, body_start } = prelude.feed(piece)? {
            return Ok(Some((answer, [&piece[body_start..], later].concat())));
        }
    }
    Ok(None)
}

/// The first byte says where the stream is cut. What was read reads the same when it is written again.
pub fn event_stream(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    let whole = read_events(&[stream]);
    assert_eq!(read_events(&[first, second]), whole);
    let again = read_events(&[&whole.written]);
    assert!(again.failure.is_none() && again.is_whole);
    assert_eq!((again.payload, again.ends), (whole.payload, whole.ends));
}

/// What an event stream says, and the same as another stream.
#[derive(Debug, Default, PartialEq)]
struct Events {
    payload: Vec<u8>,
    ends: Vec<StreamEvent<'static>>,
    written: Vec<u8>,
    failure: Option<MalformedStream>,
    is_whole: bool,
}

fn read_events(pieces: &[&[u8]]) -> Events {
    let (mut decoder, mut events) = (EventStreamDecoder::new(), Events::default());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (taken, event) = match decoder.feed(rest) {
                Ok(fed) => fed,
                Err(failure) => return Events { failure: Some(failure), ..events },
            };
            assert!(taken <= rest.len() && (taken > 0 || event.is_some()), "it goes on");
            rest = &rest[taken..];
            match event {
                None | Some(StreamEvent::Other) => {}
                Some(StreamEvent::Payload(payload)) => {
                    events.payload.extend_from_slice(payload);
                    append_payload_chunk(&mut events.written, payload);
                }
                Some(StreamEvent::Complete(complete)) => {
                    append_invoke_complete(&mut events.written, &complete);
                    events.ends.push(StreamEvent::Complete(complete));
                }
                Some(StreamEvent::Exception(exception)) => {
                    let message = exception.message.as_bytes();
                    append_exception(&mut events.written, &exception.kind, message);
                    events.ends.push(StreamEvent::Exception(exception));
                }
            }
        }
    }
    events.is_whole = decoder.is_between_frames();
    events
}

fn check(answer: &Result<Answer<'_>, Malformed>) {
    let Ok(answer) = answer else { return };
    assert!((200..=599).contains(&answer.status));
    for (name, value) in &answer.headers {
        let is_token =
            |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "{name}");
        let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
        assert!(!value.bytes().any(is_control), "{}", value.escape_debug());
        for framing in ["content-length", "transfer-encoding", "connection", "upgrade"] {
            assert!(!name.eq_ignore_ascii_case(framing));
        }
    }
}
