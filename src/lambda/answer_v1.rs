//! Answers in format 1.0.
//!
//! AWS: "Set up Lambda proxy integrations in API Gateway", section "Output format of a Lambda
//! function for proxy integration".

use std::borrow::Cow;

use super::Flavour;
use super::answer::{
    Answer, Malformed, body, flag, header_value, push_cookies, single_headers, status,
};
use super::answer_json::{AnswerMembers, Json, Shape};
use super::function_error::function_error;

/// How an API reads answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnswerRules {
    pub flavour: Flavour,
    /// Whether a body in base64 is decoded: in REST APIs if the request's `Accept` names a binary
    /// media type ([`super::BinaryMediaTypes::accept`]); in HTTP APIs always, whatever this says.
    pub decodes_base64: bool,
}

/// Reads an answer.
///
/// # Errors
///
/// Anything that is not an object of the five members with the right types: 502 in REST APIs, 500
/// in HTTP APIs. Those of HTTP APIs may have `cookies`, too.
pub fn answer_v1(bytes: &[u8], rules: AnswerRules) -> Result<Answer<'_>, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::NoJson)?;
    let members = match Shape::parse(text) {
        None => return Err(Malformed::NoJson),
        Some(Shape::Text(_) | Shape::Other) => return Err(Malformed::NoObject),
        Some(Shape::Object(members)) => *members,
    };
    if let Some(name) = unknown(&members, rules.flavour) {
        return Err(match function_error(bytes) {
            Some(error) => Malformed::FunctionError(error),
            None => Malformed::UnknownMember(name),
        });
    }
    let is_base64 = flag(members.is_base64_encoded)?;
    let decodes = is_base64 && (rules.decodes_base64 || rules.flavour == Flavour::Http);
    let mut answer = Answer {
        status: members.status_code.map_or(Ok(200), status)?,
        headers: Vec::new(),
        body: body(members.body, decodes)?,
    };
    push_merged(&mut answer, members.headers, members.multi_value_headers, rules.flavour)?;
    push_cookies(&mut answer, members.cookies, rules.flavour)?;
    if !answer.has("content-type") {
        let default = match rules.flavour {
            Flavour::Rest => "application/json",
            Flavour::Http => "text/plain; charset=utf-8",
        };
        answer.headers.push((Cow::Borrowed("Content-Type"), Cow::Borrowed(default)));
    }
    Ok(answer)
}

fn unknown(members: &AnswerMembers<'_>, flavour: Flavour) -> Option<String> {
    let cookies = members.has_cookies && flavour == Flavour::Rest;
    let unknown = members.unknown.as_deref().or(cookies.then_some("cookies"));
    unknown.map(str::to_owned)
}

/// AWS: the two are merged into one list; a pair that both have comes from `multiValueHeaders`
/// alone.
pub(super) fn push_merged<'a>(
    answer: &mut Answer<'a>,
    single: Option<Json<'a>>,
    lists: Option<Json<'a>>,
    flavour: Flavour,
) -> Result<(), Malformed> {
    let lists = multi_headers(lists)?;
    for (name, value) in single_headers(single)? {
        let is_there = lists
            .iter()
            .any(|(other, values)| other.eq_ignore_ascii_case(&name) && values.contains(&value));
        if !is_there {
            answer.push(name, value, flavour)?;
        }
    }
    for (name, values) in lists {
        for value in values {
            answer.push(name.clone(), value, flavour)?;
        }
    }
    Ok(())
}

type Lists<'a> = Vec<(Cow<'a, str>, Vec<Cow<'a, str>>)>;

fn multi_headers(headers: Option<Json<'_>>) -> Result<Lists<'_>, Malformed> {
    const MEMBER: &str = "multiValueHeaders";
    let members = match headers {
        None => return Ok(Vec::new()),
        Some(Json::Object(members)) => members,
        Some(_) => return Err(Malformed::WrongType(MEMBER)),
    };
    let lists = members.into_iter().map(|(name, values)| {
        let Json::List(values) = values else { return Err(Malformed::WrongType(MEMBER)) };
        let values: Result<Vec<_>, _> =
            values.into_iter().map(|value| header_value(value, MEMBER)).collect();
        Ok((name, values?))
    });
    lists.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REST: AnswerRules = AnswerRules { flavour: Flavour::Rest, decodes_base64: false };
    const BINARY: AnswerRules = AnswerRules { flavour: Flavour::Rest, decodes_base64: true };
    const HTTP: AnswerRules = AnswerRules { flavour: Flavour::Http, decodes_base64: false };

    fn read(text: &str) -> Result<Answer<'_>, Malformed> {
        answer_v1(text.as_bytes(), REST)
    }

    fn headers(text: &str, rules: AnswerRules) -> Vec<(String, String)> {
        let answer = answer_v1(text.as_bytes(), rules).expect("an answer");
        let pairs = answer.headers.into_iter();
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    #[test]
    fn output_format_of_a_lambda_function_for_proxy_integration() {
        let text = r#"{"isBase64Encoded":false,"statusCode":201,"headers":{"a":"b","c":true,"d":7},
            "multiValueHeaders":{"e":["f","g"]},"body":"h\n"}"#;
        let answer = read(text).expect("an answer");
        assert_eq!((answer.status, &*answer.body), (201, &b"h\n"[..]));
        let pairs: Vec<_> =
            answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let wanted = [
            ("a", "b"),
            ("c", "true"),
            ("d", "7"),
            ("e", "f"),
            ("e", "g"),
            ("Content-Type", "application/json"),
        ];
        assert_eq!(pairs, wanted);
    }

    #[test]
    fn everything_has_a_default_and_null_is_as_good_as_missing() {
        let nulls = r#"{"statusCode":null,"headers":null,"multiValueHeaders":null,"body":null}"#;
        for text in ["{}", nulls] {
            let answer = read(text).expect("an answer");
            assert_eq!((answer.status, answer.body.len(), answer.headers.len()), (200, 0, 1));
        }
        let http = headers("{}", HTTP);
        assert_eq!(http, [("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())]);
        assert_eq!(read(r#"{"statusCode":"404"}"#).map(|answer| answer.status), Ok(404));
    }

    #[test]
    fn a_different_format_is_malformed() {
        use Malformed::*;
        let cases = [
            ("", NoJson),
            ("{", NoJson),
            ("[]", NoObject),
            ("\"a\"", NoObject),
            ("null", NoObject),
            (r#"{"a":1}"#, UnknownMember("a".to_owned())),
            (r#"{"cookies":[]}"#, UnknownMember("cookies".to_owned())),
            (r#"{"statusCode":"a"}"#, BadStatus),
            (r#"{"statusCode":"+200"}"#, BadStatus),
            (r#"{"statusCode":199}"#, BadStatus),
            (r#"{"statusCode":600}"#, BadStatus),
            (r#"{"statusCode":200.5}"#, BadStatus),
            (r#"{"statusCode":[]}"#, WrongType("statusCode")),
            (r#"{"headers":[]}"#, WrongType("headers")),
            (r#"{"headers":{"a":[]}}"#, WrongType("headers")),
            (r#"{"headers":{"a":null}}"#, WrongType("headers")),
            (r#"{"multiValueHeaders":{"a":"b"}}"#, WrongType("multiValueHeaders")),
            (r#"{"body":{}}"#, WrongType("body")),
            (r#"{"isBase64Encoded":"true"}"#, WrongType("isBase64Encoded")),
            (r#"{"headers":{"a b":""}}"#, BadHeaderName("a b".to_owned())),
            (r#"{"headers":{"a":"b\r\nc: d"}}"#, BadHeaderValue("a".to_owned())),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text), Err(wanted), "{text}");
        }
        for status in [200, 599] {
            assert!(read(&format!("{{\"statusCode\":{status}}}")).is_ok());
        }
        assert_eq!(answer_v1(b"{\"body\":\"\xff\"}", REST), Err(NoJson));
    }

    #[test]
    fn a_functions_error_is_told_from_other_malformed_answers() {
        let text = r#"{"errorMessage":"no","errorType":"Error","trace":[]}"#;
        assert!(
            matches!(read(text), Err(Malformed::FunctionError(error)) if error.message == "no")
        );
    }

    #[test]
    fn a_pair_in_both_maps_comes_from_multi_value_headers_alone() {
        let text =
            r#"{"headers":{"X-A":"1","b":"2"},"multiValueHeaders":{"x-a":["1","3"],"b":["4"]}}"#;
        let all = headers(text, REST);
        let pairs: Vec<_> = all.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs[..4], [("b", "2"), ("x-a", "1"), ("x-a", "3"), ("b", "4")]);
    }

    #[test]
    fn names_that_differ_by_case_are_several_cookies() {
        let text = r#"{"headers":{"Set-Cookie":"a","set-cookie":"b","content-type":"text/css"}}"#;
        assert_eq!(headers(text, REST).len(), 3);
    }

    #[test]
    fn headers_of_the_connection_are_renamed_or_left_out() {
        let text = r#"{"headers":{"Content-Length":"9","Connection":"x","Transfer-Encoding":"chunked",
            "Upgrade":"h2c","Content-Type":"a/b"}}"#;
        let rest: Vec<_> = headers(text, REST).into_iter().map(|(name, _)| name).collect();
        let wanted =
            ["x-amzn-Remapped-Content-Length", "x-amzn-Remapped-Connection", "Content-Type"];
        assert_eq!(rest, wanted);
        assert_eq!(headers(text, HTTP), [("Content-Type".to_owned(), "a/b".to_owned())]);
    }

    #[test]
    fn base64_is_decoded_where_the_client_accepts_a_binary_media_type() {
        let text = br#"{"isBase64Encoded":true,"body":"/wBh"}"#;
        let body = |rules| answer_v1(text, rules).expect("an answer").body.into_owned();
        assert_eq!(body(REST), b"/wBh");
        assert_eq!(body(BINARY), b"\xff\0a");
        assert_eq!(body(HTTP), b"\xff\0a");
        let unpadded = answer_v1(br#"{"isBase64Encoded":true,"body":"/w"}"#, BINARY);
        assert_eq!(&*unpadded.expect("an answer").body, b"\xff");
        let bad = answer_v1(br#"{"isBase64Encoded":true,"body":"%"}"#, BINARY);
        assert_eq!(bad, Err(Malformed::BadBase64));
    }

    #[test]
    fn http_apis_may_set_cookies() {
        let all = headers(r#"{"cookies":["a=b","c=d"]}"#, HTTP);
        assert_eq!(all[..2].iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for rules in [REST, BINARY, HTTP] {
                let _ = answer_v1(&bytes, rules);
            }
        }
    }
}
