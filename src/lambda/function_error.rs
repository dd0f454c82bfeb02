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

/// The same in an answer of which nobody said that it is an error, as the runtime interface emulator
/// passes errors on: an object with nothing but what runtimes write.
#[must_use]
pub fn bare_error_message(bytes: &[u8]) -> Option<String> {
    let record = read_record(bytes)?;
    Some(record.message)
}

/// The error in an answer that could be the function's own record: it must have the type, the
/// stack, and nothing that no runtime writes. A runtime that ended has no stack, but a type that no
/// function's own record has.
pub(super) fn unhandled_error(bytes: &[u8]) -> Option<FunctionError> {
    let record = read_record(bytes)?;
    let kind = record.kind?;
    let is_of_runtime = RUNTIME_TYPES.iter().any(|start| kind.starts_with(start));
    let is_sure = is_of_runtime || record.stack_trace.is_some() || record.trace.is_some();
    is_sure.then_some(FunctionError { message: record.message, kind })
}

fn read_record(bytes: &[u8]) -> Option<RuntimeRecord> {
    if may_be_error(bytes) { serde_json::from_slice(bytes).ok() } else { None }
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
    message: String,
    #[serde(rename = "errorType")]
    kind: Option<String>,
    stack_trace: Option<IgnoredAny>,
    /// Of Node.js.
    trace: Option<IgnoredAny>,
    #[serde(rename = "requestId")]
    _request_id: Option<IgnoredAny>,
    #[serde(rename = "cause")]
    _cause: Option<IgnoredAny>,
}

/// What the types of errors begin with that are of the runtime, or of what runs it.
const RUNTIME_TYPES: [&str; 4] = ["Runtime.", "Sandbox.", "Function.", "Extension."];

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
        assert_eq!(bare_error_message(more), None);
    }

    #[test]
    fn a_runtime_that_ended_has_no_stack() {
        let text = br#"{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}"#;
        let error = unhandled_error(text).expect("an error");
        assert_eq!((&*error.kind, &*error.message), ("Runtime.ExitError", "exit status 1"));
    }

    #[test]
    fn what_holds_nothing_but_an_error_has_its_message() {
        for text in [r#"{"errorMessage":"a"}"#, r#"{"errorMessage":"a","errorType":"b"}"#] {
            assert_eq!(bare_error_message(text.as_bytes()).as_deref(), Some("a"), "{text}");
        }
        for text in [r#"{"errorMessage":1}"#, r#"{"errorMessage":"a","data":1}"#, "[]", ""] {
            assert_eq!(bare_error_message(text.as_bytes()), None, "{text}");
        }
    }
}
