//! How a refusal looks.

use crate::harness::Answer;

/// Checks status, error type and body, to the byte, of an answer that the gateway gives itself.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, error_type: &str, message: &str) {
    assert_eq!(answer.status, status, "{}\n{}", answer.head, answer.text());
    // As AWS was seen to write it: with a blank where the integration is what failed.
    let blank = if error_type == "InternalServerErrorException" { " " } else { "" };
    assert_eq!(answer.text(), format!(r#"{{"message":{blank}"{message}"}}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-amzn-errortype"), Some(error_type));
}

/// The answer to a path or a method that the API does not have.
#[track_caller]
pub(crate) fn assert_missing_token(answer: &Answer) {
    let (kind, message) = ("MissingAuthenticationTokenException", "Missing Authentication Token");
    assert_refused(answer, 403, kind, message);
}

/// The answer where the configuration of the API is at fault.
#[track_caller]
pub(crate) fn assert_internal_error(answer: &Answer) {
    assert_refused(answer, 500, "InternalServerErrorException", "Internal server error");
}
