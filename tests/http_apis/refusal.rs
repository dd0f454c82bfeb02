//! How a refusal looks.

use crate::harness::Answer;

/// Checks status and body, to the byte, of an answer that the gateway gives itself.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}\n{}", answer.head, answer.text());
    assert_eq!(answer.text(), format!(r#"{{"message":"{message}"}}"#));
    assert_eq!(answer.header("content-type"), Some("application/json")); // [K]
    assert_identified(answer);
}

/// The answer where no route matches.
#[track_caller]
pub(crate) fn assert_not_found(answer: &Answer) {
    assert_refused(answer, 404, "Not Found");
}

/// Checks that the answer has the id that HTTP APIs give, and none of those of REST APIs.
#[track_caller]
pub(crate) fn assert_identified(answer: &Answer) {
    let id = answer.header("apigw-requestid").expect("a request id");
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    assert!(!id.is_empty() && id.bytes().all(is_base64), "{id}");
    for name in ["x-amzn-requestid", "x-amz-apigw-id", "x-amzn-errortype"] {
        assert_eq!(answer.header(name), None, "{name} is a REST API's: {}", answer.head);
    }
}
