//! Answers in format 2.0, which the gateway may have to guess the meaning of.
//!
//! AWS: "Working with AWS Lambda proxy integrations for HTTP APIs", section "Lambda function
//! response format".

use std::borrow::Cow;

use super::Flavour;
use super::answer::{
    Answer, Malformed, body, bytes_of, flag, push_cookies, single_headers, status,
};
use super::answer_json::{AnswerMembers, Shape};
use super::function_error::unhandled_error;

/// Reads an answer. JSON without `statusCode` is the body of a 200 of `application/json`; of a
/// JSON string it is the text. Members without a meaning are passed over.
///
/// # Errors
///
/// What is no JSON, what an object with `statusCode` has of a wrong type, and the error of a
/// function that its runtime wrote: 500.
pub fn answer_v2(bytes: &[u8]) -> Result<Answer<'_>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::NoJson)?;
    match Shape::parse(text).ok_or(Malformed::NoJson)? {
        Shape::Object(members) if members.status_code.is_some() => customised(*members),
        Shape::Object(_) => match unhandled_error(bytes) {
            Some(error) => Err(Malformed::FunctionError(error)),
            None => Ok(inferred(Cow::Borrowed(text))),
        },
        Shape::Text(text) => Ok(inferred(text)),
        Shape::Other => Ok(inferred(Cow::Borrowed(text))),
    }
}

fn inferred(text: Cow<'_, str>) -> Answer<'_> {
    let content_type = (Cow::Borrowed("content-type"), Cow::Borrowed("application/json"));
    Answer { status: 200, headers: vec![content_type], body: bytes_of(text) }
}

fn customised(members: AnswerMembers<'_>) -> Result<Answer<'_>, Malformed> {
    let is_base64 = flag(members.is_base64_encoded)?;
    let mut answer = Answer {
        status: members.status_code.map_or(Ok(200), status)?,
        headers: Vec::new(),
        body: body(members.body, is_base64)?,
    };
    for (name, value) in single_headers(members.headers)? {
        answer.push(name, value, Flavour::Http)?;
    }
    push_cookies(&mut answer, members.cookies, Flavour::Http)?;
    if !answer.has("content-type") {
        let default = Cow::Borrowed("text/plain; charset=utf-8");
        answer.headers.push((Cow::Borrowed("content-type"), default));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Answer<'_>, Malformed> {
        answer_v2(text.as_bytes())
    }

    #[test]
    fn json_without_a_status_code_is_the_body() {
        let cases = [
            (r#""Hello from Lambda!""#, "Hello from Lambda!"),
            (r#"{ "message": "Hello from Lambda!" }"#, r#"{ "message": "Hello from Lambda!" }"#),
            (r#"{"body":7,"headers":1}"#, r#"{"body":7,"headers":1}"#),
            ("[1,2]", "[1,2]"),
            ("7.5", "7.5"),
            ("-7", "-7"),
            ("true", "true"),
            ("null", "null"),
            (r#""a\nb""#, "a\nb"),
        ];
        for (text, wanted) in cases {
            let answer = read(text).expect("an answer");
            assert_eq!((answer.status, &*answer.body), (200, wanted.as_bytes()), "{text}");
            assert_eq!(answer.headers[..], [("content-type".into(), "application/json".into())]);
        }
    }

    #[test]
    fn a_response_is_customised_with_a_status_code() {
        let text = r#"{"cookies":["a=b","c=d"],"isBase64Encoded":true,"statusCode":"201",
            "headers":{"X":"1","Content-Length":"3"},"body":"/w==","multiValueHeaders":null,"more":1}"#;
        let answer = read(text).expect("an answer");
        assert_eq!((answer.status, &*answer.body), (201, &b"\xff"[..]));
        let pairs: Vec<_> =
            answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let wanted = [
            ("X", "1"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("content-type", "text/plain; charset=utf-8"),
        ];
        assert_eq!(pairs, wanted);
    }

    #[test]
    fn a_different_format_is_malformed() {
        use Malformed::*;
        let cases = [
            ("", NoJson),
            ("Hello", NoJson),
            ("{} {}", NoJson),
            (r#"{"statusCode":0}"#, BadStatus),
            (r#"{"statusCode":200,"body":{}}"#, WrongType("body")),
            (r#"{"statusCode":200,"cookies":"a"}"#, WrongType("cookies")),
            (r#"{"statusCode":200,"cookies":[1]}"#, WrongType("cookies")),
            (r#"{"statusCode":200,"cookies":["a\r\nb"]}"#, BadHeaderValue("set-cookie".to_owned())),
            (r#"{"statusCode":200,"isBase64Encoded":true,"body":"%"}"#, BadBase64),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn a_runtimes_error_is_no_answer_and_an_own_record_is() {
        let unhandled = r#"{"errorMessage":"no","errorType":"Error","stackTrace":["a"]}"#;
        assert!(matches!(read(unhandled), Err(Malformed::FunctionError(_))));
        assert!(read(r#"{"errorMessage":"no","errorType":"Error","more":1}"#).is_ok());
        assert!(read(r#"{"errorMessage":"no"}"#).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = answer_v2(&bytes);
        }
    }
}
