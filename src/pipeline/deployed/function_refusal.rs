//! An endpoint that does not invoke the function: what AWS makes of it.
//!
//! AWS: "Handling errors with an API Gateway API" in Lambda's guide: an invocation that the API of
//! Lambda rejects is a 500, whatever the status; it is never the client's doing. What the
//! configuration is at fault for is told as a mistake of it.

use serde::Deserialize;

use super::Failed;
use crate::base::Fault;
use crate::proto::ResponseHead;

/// What the answer of an endpoint means that is none of the function's.
pub(super) fn refused_invocation(head: &ResponseHead, bytes: &[u8], body: &[u8]) -> Failed {
    let kind = head.field_by_name(bytes, b"x-amzn-errortype");
    let kind = kind.map(|field| String::from_utf8_lossy(field.value.of(bytes)));
    // Behind a colon stands where the type is defined.
    let kind = kind.as_deref().and_then(|kind| kind.split(':').next()).unwrap_or_default();
    let error = serde_json::from_slice::<EndpointError>(body).unwrap_or_default();
    let words = match head.status {
        401 | 403 => "Invalid permissions on Lambda function".to_owned(),
        status => format!("Lambda invocation failed with status: {status}"),
    };
    let fault = match head.status {
        401 | 403 | 404 => Fault::ApiConfiguration,
        _ => Fault::InvocationRefused,
    };
    Failed::because(fault, join(words, &[kind, &error.message]))
}

/// What is known of `details`, behind `words`.
fn join(mut words: String, details: &[&str]) -> String {
    for detail in details.iter().filter(|detail| !detail.is_empty()) {
        words.push_str(": ");
        words.extend(detail.chars().filter(|one| !one.is_control()).take(DETAIL_CHARS_MAX));
    }
    words
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndpointError {
    #[serde(alias = "Message")]
    message: String,
}

/// What a foreign server says is not all worth a place in the log.
const DETAIL_CHARS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_short_and_of_one_line() {
        let joined = join("words".into(), &["", "a\r\nb", &"c".repeat(1_000)]);
        assert_eq!(joined, format!("words: ab: {}", "c".repeat(DETAIL_CHARS_MAX)));
    }

    #[test]
    fn messages_are_found_in_both_spellings() {
        let message = |text: &str| {
            serde_json::from_str::<EndpointError>(text).map(|error| error.message).ok()
        };
        assert_eq!(message(r#"{"Message":"a","Type":"User"}"#).as_deref(), Some("a"));
        assert_eq!(message(r#"{"message":"b"}"#).as_deref(), Some("b"));
        assert_eq!(message("{}").as_deref(), Some(""));
    }
}
