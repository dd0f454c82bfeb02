//! The errors of functions, as runtimes write them.
//!
//! AWS: "Handle Lambda errors in API Gateway".

use std::fmt;

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// An error that a runtime wrote for a function which threw.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionError {
    pub message: String,
    /// `errorType`, empty where there is none.
    pub kind: String,
}

impl fmt::Display for FunctionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {:?}", self.kind, self.message)
    }
}

/// What `selectionPattern` of an integration response is held against: `errorMessage` of an object.
/// One that is no string is its JSON; `null` is none.
#[must_use]
pub fn error_message(bytes: &[u8]) -> Option<String> {
    match read(bytes)?.message? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The error in an answer that is known to be none: an object with the text `errorMessage`.
#[must_use]
pub fn function_error(bytes: &[u8]) -> Option<FunctionError> {
    let record = read(bytes)?;
    let Some(Value::String(message)) = record.message else { return None };
    let kind = record.kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
    Some(FunctionError { message, kind })
}

/// The error in an answer that could be the function's own record: it must have the type, the
/// stack, and nothing that no runtime writes.
pub(super) fn unhandled_error(bytes: &[u8]) -> Option<FunctionError> {
    let is_sure = may_be_error(bytes)
        && serde_json::from_slice::<RuntimeRecord>(bytes)
            .is_ok_and(|record| record.stack_trace.is_some() || record.trace.is_some());
    if is_sure { function_error(bytes) } else { None }
}

/// Nearly no answer is an error, and this is cheaper than to parse it again.
fn may_be_error(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\"errorMessage\"").is_some()
}

fn read(bytes: &[u8]) -> Option<AnyRecord> {
    if may_be_error(bytes) { serde_json::from_slice(bytes).ok() } else { None }
}

#[derive(Deserialize)]
struct AnyRecord {
    #[serde(rename = "errorMessage")]
    message: Option<Value>,
    #[serde(rename = "errorType")]
    kind: Option<Value>,
}

/// What the runtimes of Python, Node.js, Java, Ruby, .NET and Go write.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuntimeRecord {
    #[serde(rename = "errorMessage")]
    _message: String,
    #[serde(rename = "errorType")]
    _kind: String,
    stack_trace: Option<IgnoredAny>,
    /// Of Node.js.
    trace: Option<IgnoredAny>,
    #[serde(rename = "requestId")]
    _request_id: Option<IgnoredAny>,
    #[serde(rename = "cause")]
    _cause: Option<IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_lambda_error_has_a_message_and_a_type() {
        let text =
            br#"{"errorMessage":"Malformed input ...","errorType":"Error","stackTrace":["a"]}"#;
        let wanted = FunctionError { message: "Malformed input ...".into(), kind: "Error".into() };
        assert_eq!(function_error(text), Some(wanted.clone()));
        assert_eq!(unhandled_error(text), Some(wanted));
        assert_eq!(error_message(text).as_deref(), Some("Malformed input ..."));
    }

    #[test]
    fn a_custom_lambda_error_has_a_message_alone() {
        let text = br#"{"errorMessage":"{\"errorType\":\"InternalServerError\"}"}"#;
        let message = r#"{"errorType":"InternalServerError"}"#;
        assert_eq!(error_message(text).as_deref(), Some(message));
        assert_eq!(function_error(text).map(|error| error.kind), Some(String::new()));
        assert_eq!(unhandled_error(text), None);
    }

    #[test]
    fn other_answers_have_no_message() {
        for text in ["", "{", "[]", "7", r#""errorMessage""#, "{}", r#"{"errorMessage":null}"#] {
            assert_eq!(error_message(text.as_bytes()), None, "{text}");
            assert_eq!(function_error(text.as_bytes()), None, "{text}");
        }
        assert_eq!(error_message(br#"{"errorMessage":{"a":1}}"#).as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn a_record_of_the_function_is_no_unhandled_error() {
        let more = br#"{"errorMessage":"a","errorType":"b","stackTrace":[],"more":1}"#;
        assert_eq!(unhandled_error(more), None);
        assert_eq!(unhandled_error(br#"{"errorMessage":"a","errorType":"b"}"#), None);
    }
}
