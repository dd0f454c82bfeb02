//! The JSON of a function's answer, as far as anybody looks into it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value whose texts are borrowed where they hold no escape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// In the order of the text; a name may come twice.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// An answer: its known members if it is an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape<'a> {
    Object(Box<AnswerMembers<'a>>),
    Text(Cow<'a, str>),
    /// A number, a list, `true`, `false`, `null`.
    Other,
}

/// Members with a meaning. One that is `null` is as good as missing: functions whose answers are
/// records of their language write all members. The last one of a name counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AnswerMembers<'a> {
    pub(super) status_code: Option<Json<'a>>,
    pub(super) headers: Option<Json<'a>>,
    pub(super) multi_value_headers: Option<Json<'a>>,
    pub(super) cookies: Option<Json<'a>>,
    pub(super) body: Option<Json<'a>>,
    pub(super) is_base64_encoded: Option<Json<'a>>,
    pub(super) has_cookies: bool,
    /// The first member that means nothing.
    pub(super) unknown: Option<Cow<'a, str>>,
}

impl<'a> Shape<'a> {
    /// `None` for what is no JSON, or nested deeper than 128 levels.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<'de> Deserialize<'de> for Shape<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = AnswerMembers::default();
        while let Some(name) = map.next_key::<Json<'de>>()? {
            let Json::Text(name) = name else { return Err(A::Error::custom("no name")) };
            let member = match &*name {
                "statusCode" => &mut members.status_code,
                "headers" => &mut members.headers,
                "multiValueHeaders" => &mut members.multi_value_headers,
                "body" => &mut members.body,
                "isBase64Encoded" => &mut members.is_base64_encoded,
                "cookies" => {
                    members.has_cookies = true;
                    &mut members.cookies
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    members.unknown.get_or_insert(name);
                    continue;
                }
            };
            *member = Some(map.next_value()?).filter(|value| *value != Json::Null);
        }
        Ok(Shape::Object(Box::new(members)))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Shape::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Shape::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Shape::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Shape::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Shape::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Shape::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Shape::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Shape::Other)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<Json<'de>, Json<'de>>()? {
            let Json::Text(name) = name else { return Err(A::Error::custom("no name")) };
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("no finite number"))
    }
}
