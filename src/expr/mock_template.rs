//! Templates of mock integrations as far as they need no engine: text without directives.
//!
//! AWS: "Set up mock integrations in API Gateway". The request template gives `statusCode`, the
//! response template the body. Comments of VTL are dropped; any `$` or `#` that is left asks for
//! the template language, which is [`TemplateError::Unsupported`] here.

use std::borrow::Cow;

use super::lenient_json::find_integer;

/// Why a template says nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// It uses the template language.
    #[error("the template has a variable or a directive, and only plain text is supported")]
    Unsupported,
    /// AWS answers such a request with 500.
    #[error("the template gives no integer as statusCode")]
    NoStatus,
}

/// The status that the request template of a mock integration gives.
///
/// # Errors
///
/// See [`TemplateError`].
pub fn mock_status(template: &str) -> Result<u16, TemplateError> {
    let text = answer_text(template)?;
    status_in(&text).ok_or(TemplateError::NoStatus)
}

/// The status that a request's body gives, where it is passed to a mock integration without a
/// template.
#[must_use]
pub fn status_of_body(body: &[u8]) -> Option<u16> {
    status_in(std::str::from_utf8(body).ok()?)
}

fn status_in(text: &str) -> Option<u16> {
    let status = find_integer(text, "statusCode").ok().flatten()?;
    u16::try_from(status).ok().filter(|status| (100..=599).contains(status))
}

/// The text of a template, without its comments.
///
/// # Errors
///
/// [`TemplateError::Unsupported`].
pub fn answer_text(template: &str) -> Result<Cow<'_, str>, TemplateError> {
    let text = without_comments(template);
    if text.contains(['$', '#']) { Err(TemplateError::Unsupported) } else { Ok(text) }
}

/// `##` to the end of its line, the line's end with it, and `#* ... *#`.
fn without_comments(template: &str) -> Cow<'_, str> {
    if !template.contains('#') {
        return Cow::Borrowed(template);
    }
    let (mut text, mut rest) = (String::with_capacity(template.len()), template);
    while let Some(at) = rest.find('#') {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        let end = if tail.starts_with("##") {
            tail.find('\n').map(|end| end + 1).or(Some(tail.len()))
        } else if tail.starts_with("#*") {
            tail.find("*#").map(|end| end + 2)
        } else {
            None
        };
        // What is no comment stays, and makes the template unsupported.
        if end.is_none() {
            text.push('#');
        }
        rest = &tail[end.unwrap_or(1)..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}
