//! An answer as the client gets it, and the parts that both formats share.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Flavour;
use super::answer_json::Json;
use crate::expr::is_header_value;
use crate::proto::is_field_name;

/// What a function answered.
///
/// # Invariants
///
/// - Names are tokens, values hold no control character (RFC 9110 section 5), and none speaks of
///   the connection or of the length of the body.
/// - The status is that of a final answer, 200 to 599.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<'a> {
    pub status: u16,
    pub headers: Headers<'a>,
    pub body: Cow<'a, [u8]>,
}

/// Names with their values, in order.
type Headers<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Why an answer is none: for the log, never for the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    #[error("the answer is no JSON")]
    NoJson,
    #[error("the answer is no JSON object")]
    NoObject,
    #[error("the function failed: {0}")]
    FunctionError(super::FunctionError),
    #[error("the answer has the member {0:?}, which it must not have")]
    UnknownMember(String),
    #[error("`{0}` of the answer has the wrong type")]
    WrongType(&'static str),
    #[error("`statusCode` is no status from 200 to 599")]
    BadStatus,
    #[error("{0:?} is no name of a header")]
    BadHeaderName(String),
    #[error("the header {0:?} has a value with control characters")]
    BadHeaderValue(String),
    #[error("`body` is no base64 although `isBase64Encoded` is true")]
    BadBase64,
    #[error("the metadata is not followed by eight NUL bytes")]
    BadDelimiter,
    #[error("the metadata has more than {0} bytes")]
    PreludeTooLong(usize),
}

impl<'a> Answer<'a> {
    /// Adds a header, or renames it, or leaves it out, as AWS does with those that speak of the
    /// connection ("Amazon API Gateway important notes", section on REST APIs).
    pub(super) fn push(
        &mut self,
        name: Cow<'a, str>,
        value: Cow<'a, str>,
        flavour: Flavour,
    ) -> Result<(), Malformed> {
        if !is_field_name(name.as_bytes()) {
            return Err(Malformed::BadHeaderName(name.into_owned()));
        }
        if !is_header_value(value.as_bytes()) {
            return Err(Malformed::BadHeaderValue(name.into_owned()));
        }
        if let Some(name) = rename(name, flavour) {
            self.headers.push((name, value));
        }
        Ok(())
    }

    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Answer<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        let pairs = self.headers.into_iter();
        Answer {
            status: self.status,
            headers: pairs.map(|(name, value)| (own(name), own(value))).collect(),
            body: Cow::Owned(self.body.into_owned()),
        }
    }

    pub(super) fn has(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }
}

/// The name under which the client gets the header.
fn rename(name: Cow<'_, str>, flavour: Flavour) -> Option<Cow<'_, str>> {
    let is = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(&name));
    if is(&HOP_BY_HOP) {
        return None;
    }
    match flavour {
        Flavour::Rest if is(&REMAPPED) => Some(Cow::Owned(format!("x-amzn-Remapped-{name}"))),
        Flavour::Http if is(&FRAMING) => None,
        Flavour::Rest | Flavour::Http => Some(name),
    }
}

const HOP_BY_HOP: [&str; 6] =
    ["keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
/// What REST APIs give another name.
const REMAPPED: [&str; 5] = ["connection", "content-length", "date", "server", "x-amzn-requestid"];
const FRAMING: [&str; 2] = ["connection", "content-length"];

/// The value of a header: a text, a number or a boolean.
pub(super) fn header_value<'a>(
    value: Json<'a>,
    member: &'static str,
) -> Result<Cow<'a, str>, Malformed> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Bool(value) => Ok(Cow::Borrowed(if value { "true" } else { "false" })),
        Json::Number(number) => Ok(Cow::Owned(number.to_string())),
        Json::Null | Json::List(_) | Json::Object(_) => Err(Malformed::WrongType(member)),
    }
}

/// The pairs of `headers`.
pub(super) fn single_headers<'a>(headers: Option<Json<'a>>) -> Result<Headers<'a>, Malformed> {
    let members = match headers {
        None => return Ok(Vec::new()),
        Some(Json::Object(members)) => members,
        Some(_) => return Err(Malformed::WrongType("headers")),
    };
    let pairs = members.into_iter();
    pairs.map(|(name, value)| Ok((name, header_value(value, "headers")?))).collect()
}

/// Adds a `set-cookie` for each cookie.
pub(super) fn push_cookies<'a>(
    answer: &mut Answer<'a>,
    cookies: Option<Json<'a>>,
    flavour: Flavour,
) -> Result<(), Malformed> {
    let cookies = match cookies {
        None => return Ok(()),
        Some(Json::List(cookies)) => cookies,
        Some(_) => return Err(Malformed::WrongType("cookies")),
    };
    for cookie in cookies {
        let Json::Text(cookie) = cookie else { return Err(Malformed::WrongType("cookies")) };
        answer.push(Cow::Borrowed("set-cookie"), cookie, flavour)?;
    }
    Ok(())
}

/// A status as a number or as its digits.
pub(super) fn status(value: Json<'_>) -> Result<u16, Malformed> {
    let status = match value {
        Json::Number(number) => number.as_u64(),
        Json::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Json::Text(_) => None,
        _ => return Err(Malformed::WrongType("statusCode")),
    };
    let status =
        status.filter(|status| (200..=599).contains(status)).ok_or(Malformed::BadStatus)?;
    u16::try_from(status).map_err(|_| Malformed::BadStatus)
}

pub(super) fn flag(value: Option<Json<'_>>) -> Result<bool, Malformed> {
    match value {
        None => Ok(false),
        Some(Json::Bool(value)) => Ok(value),
        Some(_) => Err(Malformed::WrongType("isBase64Encoded")),
    }
}

/// The bytes of `body`, decoded if `is_base64`.
pub(super) fn body(value: Option<Json<'_>>, is_base64: bool) -> Result<Cow<'_, [u8]>, Malformed> {
    match value {
        None => Ok(Cow::Borrowed(b"")),
        Some(Json::Text(text)) if is_base64 => {
            LENIENT.decode(text.as_bytes()).map(Cow::Owned).map_err(|_| Malformed::BadBase64)
        }
        Some(Json::Text(text)) => Ok(bytes_of(text)),
        Some(_) => Err(Malformed::WrongType("body")),
    }
}

pub(super) fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// With or without padding, as functions write it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
