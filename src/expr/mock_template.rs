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

/// The status that the request template of a mock integration gives: any integer, which is a status
/// for nothing but the patterns of the responses.
///
/// # Errors
///
/// See [`TemplateError`].
pub fn mock_status(template: &str) -> Result<i64, TemplateError> {
    let text = answer_text(template)?;
    status_in(&text).ok_or(TemplateError::NoStatus)
}

/// The status that a request's body gives, where it is passed to a mock integration without a
/// template.
#[must_use]
pub fn status_of_body(body: &[u8]) -> Option<i64> {
    status_in(std::str::from_utf8(body).ok()?)
}

fn status_in(text: &str) -> Option<i64> {
    find_integer(text, "statusCode").ok().flatten()
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
            Some(tail.find('\n').map_or(tail.len(), |end| end + 1))
        } else if tail.starts_with("#*") {
            tail.find("*#").map(|end| end + 2)
        } else {
            None
        };
        rest = &tail[end.unwrap_or_default()..];
        if end.is_none() {
            // What is no comment makes the template unsupported, whatever follows.
            break;
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS: "Set up mock integrations in API Gateway"; the form without quotes is what the CDK
    /// writes.
    #[test]
    fn a_template_gives_its_status() {
        for (template, wanted) in [
            (r#"{"statusCode": 200}"#, 200),
            ("{\"statusCode\": 500}", 500),
            ("{statusCode: 200}", 200),
            ("{ statusCode : 404 }\n", 404),
            ("## chosen by hand\n{\"statusCode\": 201} ## a comment", 201),
            ("#* a\nblock *#{\"statusCode\": 202}", 202),
            (r#"{"statusCode": 0}"#, 0),
            (r#"{"statusCode": 600}"#, 600),
            (r#"{"statusCode": -200}"#, -200),
            ("{\n  \"statusCode\": 200,\n  \"message\": \"Go ahead without me.\"\n}", 200),
        ] {
            assert_eq!(mock_status(template), Ok(wanted), "{template}");
        }
    }

    #[test]
    fn the_template_language_is_unsupported() {
        let directive = "{\n#if( $input.params('scope') == \"internal\" )\n\"statusCode\": 200\n#else\n\
             \"statusCode\": 500\n#end\n}";
        for template in [directive, "{\"statusCode\": $x}", "#set($a = 1){statusCode: 200}", "#* a"]
        {
            assert_eq!(mock_status(template), Err(TemplateError::Unsupported), "{template}");
        }
    }

    #[test]
    fn a_template_without_a_status_is_a_mistake() {
        for template in [
            "",
            "{}",
            "{\"statusCode\": \"200\"}",
            "200",
            "{\"statusCode\": 200.5}",
            "{\"statusCode\": 200",
            "hello",
            "{\"statuscode\": 200}",
        ] {
            assert_eq!(mock_status(template), Err(TemplateError::NoStatus), "{template}");
        }
    }

    #[test]
    fn a_body_may_give_the_status() {
        assert_eq!(status_of_body(b"{\"statusCode\": 418}"), Some(418));
        for body in [&b""[..], b"\xff", b"{}", b"{\"statusCode\": $x}"] {
            assert_eq!(status_of_body(body), None);
        }
    }

    #[test]
    fn plain_text_answers_as_it_is() {
        assert_eq!(answer_text("{\"a\": 1}\n"), Ok("{\"a\": 1}\n".into()));
        assert_eq!(answer_text("a ## b\nc"), Ok("a c".into()));
        assert_eq!(answer_text(""), Ok("".into()));
        assert_eq!(answer_text("$input.body"), Err(TemplateError::Unsupported));
        assert_eq!(answer_text("a # b"), Err(TemplateError::Unsupported));
    }
}
