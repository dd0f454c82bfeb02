//! gRPC over HTTP/2 and gRPC-Web: what of a request and its answer differs from other HTTP.
//!
//! Sources: "gRPC over HTTP2" and "gRPC-Web" (PROTOCOL-HTTP2.md, PROTOCOL-WEB.md of the gRPC
//! project). A gateway error is an answer with `grpc-status`, as gRPC's clients look at nothing else.
//! gRPC-Web is for clients that have no trailers: they get them as a last message of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::request::Request;
use crate::base::{Fault, Nanos};
use crate::proto::{Field, FieldName, RequestHead};

/// Which of its forms a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GrpcForm {
    /// Trailers behind the body.
    Native,
    /// Trailers as the last message of the body.
    Web,
    /// The same in base64.
    WebText,
}

impl GrpcForm {
    /// The form that a content type names, with what follows its name: `+proto`, parameters.
    pub(crate) fn of(content_type: &[u8]) -> Option<(Self, &[u8])> {
        [Self::WebText, Self::Web, Self::Native].into_iter().find_map(|form| {
            let name = form.name();
            let start = content_type.get(..name.len())?;
            let rest = &content_type[name.len()..];
            let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' '));
            (start.eq_ignore_ascii_case(name) && ends).then_some((form, rest))
        })
    }

    /// The same of a content type's field, if there is one, in a head that is `bytes`.
    pub(crate) fn of_field<'b>(field: Option<&Field>, bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
        Self::of(field?.value.of(bytes))
    }

    /// The form of a request, if it is one.
    pub(crate) fn of_request(head: &RequestHead, bytes: &[u8]) -> Option<Self> {
        Self::of_field(head.field(FieldName::ContentType), bytes).map(|(form, _)| form)
    }

    /// The content type without what follows.
    pub(crate) const fn name(self) -> &'static [u8] {
        match self {
            Self::Native => b"application/grpc",
            Self::Web => b"application/grpc-web",
            Self::WebText => b"application/grpc-web-text",
        }
    }

    /// Whether messages must be translated for targets.
    pub(crate) const fn is_web(self) -> bool {
        !matches!(self, Self::Native)
    }
}

/// How long the client waits (`grpc-timeout`: up to eight digits and a unit). What is malformed
/// is none.
pub(crate) fn timeout(request: &Request<'_>) -> Option<Nanos> {
    let field = request.head.field_by_name(request.bytes, b"grpc-timeout")?;
    parse_timeout(field.value.of(request.bytes))
}

fn parse_timeout(value: &[u8]) -> Option<Nanos> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let nanos_each = match unit {
        b'n' => 1,
        b'u' => 1_000,
        b'm' => 1_000_000,
        b'S' => 1_000_000_000,
        b'M' => 60 * 1_000_000_000,
        b'H' => 3_600 * 1_000_000_000,
        _ => return None,
    };
    amount.checked_mul(nanos_each).map(Nanos)
}

/// The status that says `fault` to a gRPC client. Follows the gRPC project's mapping of HTTP statuses
/// (http-grpc-status-mapping.md) where that knows the status, and says what it does not know: limits
/// are RESOURCE_EXHAUSTED, a target that took too long is DEADLINE_EXCEEDED.
pub(crate) fn status_of(fault: Fault) -> u8 {
    match fault {
        Fault::UpstreamTimeout => DEADLINE_EXCEEDED,
        Fault::Throttled { .. } | Fault::BodyTooLarge | Fault::HeadTooLarge => RESOURCE_EXHAUSTED,
        _ => match fault.status() {
            400 => INTERNAL,
            401 => UNAUTHENTICATED,
            403 => PERMISSION_DENIED,
            404 => UNIMPLEMENTED,
            500 => INTERNAL,
            502..=504 => UNAVAILABLE,
            _ => UNKNOWN,
        },
    }
}

const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const PERMISSION_DENIED: u8 = 7;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

/// Makes a body of gRPC one of gRPC-Web, piece by piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebEncoder {
    form: GrpcForm,
}

impl WebEncoder {
    pub(crate) fn new(form: GrpcForm) -> Self {
        Self { form }
    }

    /// Encodes what lies behind `start` in `buffer`. In base64 each piece ends with its padding,
    /// so that a client has every message as soon as it came.
    pub(crate) fn encode(self, buffer: &mut Vec<u8>, start: usize) {
        if self.form == GrpcForm::WebText && buffer.len() > start {
            let text = STANDARD.encode(&buffer[start..]);
            buffer.truncate(start);
            buffer.extend_from_slice(text.as_bytes());
        }
    }

    /// Appends the message that trailers, as lines that end with CRLF, become.
    pub(crate) fn append_trailers(self, buffer: &mut Vec<u8>, lines: &[u8]) {
        let start = buffer.len();
        buffer.push(TRAILERS_FLAG);
        buffer.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes());
        buffer.extend_from_slice(lines);
        self.encode(buffer, start);
    }
}

/// The first byte of the message that carries trailers.
const TRAILERS_FLAG: u8 = 0x80;

/// Makes a body in base64, however it is cut, the bytes that it stands for. Padding may end any
/// group of four: clients put whole texts one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextDecoder {
    /// The beginning of a group that is not complete.
    group: Vec<u8>,
}

impl TextDecoder {
    /// Appends what `text` stands for, as far as its groups are complete.
    pub(crate) fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
        self.group.extend_from_slice(text);
        let whole_bytes = self.group.len() / 4 * 4;
        let rest = self.group.split_off(whole_bytes);
        let groups = std::mem::replace(&mut self.group, rest);
        let mut left = &groups[..];
        while !left.is_empty() {
            let padding = memchr::memchr(b'=', left);
            let end = padding.map_or(left.len(), |at| at / 4 * 4 + 4);
            let (text, others) = left.split_at(end);
            STANDARD.decode_vec(text, out).map_err(|_| NotBase64)?;
            left = others;
        }
        Ok(())
    }

    /// Whether all that came was decoded.
    pub(crate) fn is_complete(&self) -> bool {
        self.group.is_empty()
    }
}

/// A body that says it is base64 and is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotBase64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::ThrottleScope;

    #[test]
    fn forms_are_told_by_the_content_type() {
        let form = |text: &str| GrpcForm::of(text.as_bytes()).map(|(form, _)| form);
        assert_eq!(form("application/grpc"), Some(GrpcForm::Native));
        assert_eq!(form("Application/gRPC+proto"), Some(GrpcForm::Native));
        assert_eq!(form("application/grpc; charset=utf-8"), Some(GrpcForm::Native));
        assert_eq!(form("application/grpc-web+proto"), Some(GrpcForm::Web));
        assert_eq!(form("application/grpc-web-text+proto"), Some(GrpcForm::WebText));
        assert_eq!(form("application/grpcx"), None);
        assert_eq!(form("application/json"), None);
        assert_eq!(GrpcForm::of(b"application/grpc-web+proto").expect("one").1, b"+proto");
    }

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        for (text, nanos) in [
            ("1n", Some(1)),
            ("20u", Some(20_000)),
            ("300m", Some(300_000_000)),
            ("2S", Some(2_000_000_000)),
            ("1M", Some(60_000_000_000)),
            ("99999999H", None),
            ("1H", Some(3_600_000_000_000)),
            ("", None),
            ("S", None),
            ("1", None),
            ("123456789m", None),
            ("-1S", None),
            ("1s", None),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), nanos.map(Nanos), "{text}");
        }
    }

    #[test]
    fn every_fault_has_a_status_other_than_ok() {
        let throttled = Fault::Throttled { scope: ThrottleScope::Route, retry_after_ms: 1 };
        assert_eq!(status_of(throttled), RESOURCE_EXHAUSTED);
        assert_eq!(status_of(Fault::NotFound), UNIMPLEMENTED);
        assert_eq!(status_of(Fault::ConnectFailed), UNAVAILABLE);
        assert_eq!(status_of(Fault::UpstreamTimeout), DEADLINE_EXCEEDED);
        assert!(Fault::PLAIN.iter().all(|fault| (1..=16).contains(&status_of(*fault))));
    }

    #[test]
    fn trailers_become_a_message() {
        let mut body = Vec::new();
        WebEncoder::new(GrpcForm::Web).append_trailers(&mut body, b"grpc-status: 0\r\n");
        assert_eq!(body, b"\x80\0\0\0\x10grpc-status: 0\r\n");
        let mut text = Vec::new();
        WebEncoder::new(GrpcForm::WebText).append_trailers(&mut text, b"grpc-status: 0\r\n");
        assert_eq!(STANDARD.decode(text).expect("base64"), body);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["a===", "ab!=", "====", "a b c d "] {
            let decoded = TextDecoder::default().decode(text.as_bytes(), &mut Vec::new());
            assert_eq!(decoded, Err(NotBase64), "{text}");
        }
        let mut decoder = TextDecoder::default();
        decoder.decode(b"abcde", &mut Vec::new()).expect("a group and a beginning");
        assert!(!decoder.is_complete());
    }

    proptest! {
        /// Whatever the pieces that were encoded, and however their text is cut, the bytes come back.
        #[test]
        fn texts_one_behind_the_other_are_decoded(
            pieces in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            cut in 1..17_usize,
        ) {
            let mut text = Vec::new();
            for piece in &pieces {
                let mut encoded = piece.clone();
                WebEncoder::new(GrpcForm::WebText).encode(&mut encoded, 0);
                text.extend(encoded);
            }
            let (mut decoder, mut out) = (TextDecoder::default(), Vec::new());
            for part in text.chunks(cut) {
                decoder.decode(part, &mut out).expect("base64");
            }
            prop_assert!(decoder.is_complete());
            prop_assert_eq!(out, pieces.concat());
        }
    }
}
