//! Reads documents of the management API: every member by its type and range, with errors that say
//! where it stands.
//!
//! Documents were checked when they were written, so a mistake here is a rare thing: the first one
//! ends the reading. An empty text and `null` are read as absent, since patches leave both behind.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::named::Named;
use super::{Document, TextMap};

/// Why a document of a stage or deployment cannot be served.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: `{field}` {reason}")]
pub struct ModelError {
    /// The API, and what in it: ``API `a1b2c3`, resource `/pets`, method `GET` ``.
    pub place: String,
    /// The member that is wrong, by AWS's name.
    pub field: String,
    /// What it is and what was expected.
    pub reason: String,
}

pub(super) type Result<T> = std::result::Result<T, ModelError>;

/// Where a document stands. Made into a text for errors only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    noun: &'static str,
    name: &'a str,
}

/// One document that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    document: &'a Document,
    place: &'a Place<'a>,
}

impl<'a> Place<'a> {
    pub(super) const fn api(id: &'a str) -> Self {
        Self { outer: None, noun: "API", name: id }
    }

    pub(super) const fn within(outer: &'a Self, noun: &'static str, name: &'a str) -> Self {
        Self { outer: Some(outer), noun, name }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            write!(out, "{outer}, ")?;
        }
        match self.name {
            "" => out.write_str(self.noun),
            name => write!(out, "{} `{}`", self.noun, name.escape_debug()),
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) const fn new(document: &'a Document, place: &'a Place<'a>) -> Self {
        Self { document, place }
    }

    /// The same document with a place that says more.
    pub(super) const fn at<'b>(&self, place: &'b Place<'b>) -> Fields<'b>
    where
        'a: 'b,
    {
        Fields { document: self.document, place }
    }

    pub(super) fn error(&self, field: &str, reason: impl Into<String>) -> ModelError {
        ModelError { place: self.place.to_string(), field: field.to_owned(), reason: reason.into() }
    }

    /// Whether the document has the member.
    pub(super) fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    fn value(&self, field: &str) -> Option<&'a Value> {
        self.document.get(field).filter(|value| !value.is_null())
    }

    fn wrong(&self, field: &str, value: &Value, wanted: &str) -> ModelError {
        let found = match value {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::String(text) if text.len() > SHOWN_BYTES_MAX => "a long text".to_owned(),
            other => other.to_string(),
        };
        self.error(field, format!("is {found}, expected {wanted}"))
    }

    /// A text, `None` if it is absent or empty.
    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(self.wrong(field, other, "a text")),
        }
    }

    pub(super) fn owned_text(&self, field: &str) -> Result<Option<String>> {
        Ok(self.text(field)?.map(str::to_owned))
    }

    pub(super) fn required_text(&self, field: &str) -> Result<String> {
        self.owned_text(field)?.ok_or_else(|| self.error(field, "is missing"))
    }

    /// A yes or no; absent is no.
    pub(super) fn flag(&self, field: &str) -> Result<bool> {
        match self.value(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(field, other, "true or false")),
        }
    }

    /// A whole number within a range.
    pub(super) fn integer<T: TryFrom<i64>>(
        &self,
        field: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let number = value.as_i64().filter(|number| range.contains(number));
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => {
                let wanted = format!("an integer from {} to {}", range.start(), range.end());
                Err(self.wrong(field, value, &wanted))
            }
        }
    }

    /// A finite number within a range.
    pub(super) fn number(&self, field: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        let Some(value) = self.value(field) else { return Ok(None) };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let wanted = format!("a number from {} to {}", range.start(), range.end());
                Err(self.wrong(field, value, &wanted))
            }
        }
    }

    /// A status code.
    pub(super) fn status(&self, field: &str) -> Result<Option<u16>> {
        match self.text(field)? {
            None => Ok(None),
            Some(text) => match parse_status(text) {
                Some(status) => Ok(Some(status)),
                None => {
                    Err(self.error(field, format!("is `{}`, {STATUS_WANTED}", text.escape_debug())))
                }
            },
        }
    }

    /// One of the names of a choice.
    pub(super) fn choice<T: Named>(&self, field: &str) -> Result<Option<T>> {
        self.text(field)?.map(|text| self.choice_of(field, text)).transpose()
    }

    /// A list of names of a choice; absent is empty.
    pub(super) fn choices<T: Named>(&self, field: &str) -> Result<Vec<T>> {
        self.texts(field)?.iter().map(|text| self.choice_of(field, text)).collect()
    }

    fn choice_of<T: Named>(&self, field: &str, text: &str) -> Result<T> {
        let choice = T::ALL.iter().find(|one| one.text() == text).copied();
        choice.ok_or_else(|| {
            let names: Vec<_> = T::ALL.iter().map(|one| one.text()).collect();
            let names = names.join(", ");
            self.error(field, format!("is `{}`, expected one of {names}", text.escape_debug()))
        })
    }

    pub(super) fn required_choice<T: Named>(&self, field: &str) -> Result<T> {
        self.choice(field)?.ok_or_else(|| self.error(field, "is missing"))
    }

    /// A list of texts; absent is empty.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>> {
        let items = match self.value(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong(field, other, "a list of texts")),
        };
        let text = |item: &Value| match item {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.wrong(field, other, "a text in the list")),
        };
        items.iter().map(text).collect()
    }

    /// A table of texts; absent is empty, and a text that is `null` is not there.
    pub(super) fn text_map(&self, field: &str) -> Result<TextMap> {
        let text = |(name, value): (&'a str, &'a Value)| match value {
            Value::String(text) => Ok((name, text.as_str())),
            other => Err(self.wrong(&format!("{field}/{name}"), other, "a text")),
        };
        self.table(field)?.filter(|(_, value)| !value.is_null()).map(text).collect()
    }

    /// A table of yes or no, the names in the order of the document.
    pub(super) fn flag_map(&self, field: &str) -> Result<Vec<(String, bool)>> {
        let flag = |(name, value): (&str, &Value)| match value {
            Value::Bool(flag) => Ok((name.to_owned(), *flag)),
            other => Err(self.wrong(&format!("{field}/{name}"), other, "true or false")),
        };
        self.table(field)?.map(flag).collect()
    }

    /// The names of a table; absent has none.
    pub(super) fn names(&self, field: &str) -> Result<impl Iterator<Item = &'a str> + use<'a>> {
        Ok(self.table(field)?.map(|(name, _)| name))
    }

    /// A table of documents, each read by `read` with its name.
    pub(super) fn each<T>(
        &self,
        field: &str,
        noun: &'static str,
        read: impl Fn(Fields<'_>, &str) -> Result<T>,
    ) -> Result<Vec<T>> {
        let document = |(name, value): (&str, &Value)| match value {
            Value::Object(document) => {
                let place = Place::within(self.place, noun, name);
                read(Fields::new(document, &place), name)
            }
            other => Err(self.wrong(&format!("{field}/{name}"), other, "an object")),
        };
        self.table(field)?.map(document).collect()
    }

    /// A document in this one, read by `read`.
    pub(super) fn part<T>(
        &self,
        field: &'static str,
        read: impl FnOnce(Fields<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(document)) => {
                let place = Place::within(self.place, field, "");
                read(Fields::new(document, &place)).map(Some)
            }
            Some(other) => Err(self.wrong(field, other, "an object")),
        }
    }

    /// A list of documents, each read by `read`.
    pub(super) fn list<T>(
        &self,
        field: &'static str,
        read: impl Fn(Fields<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let items = match self.value(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong(field, other, "a list of objects")),
        };
        let item = |item: &Value| match item {
            Value::Object(document) => {
                let place = Place::within(self.place, field, "");
                read(Fields::new(document, &place))
            }
            other => Err(self.wrong(field, other, "an object in the list")),
        };
        items.iter().map(item).collect()
    }

    fn table(&self, field: &str) -> Result<impl Iterator<Item = (&'a str, &'a Value)> + use<'a>> {
        let table = match self.value(field) {
            None => None,
            Some(Value::Object(table)) => Some(table),
            Some(other) => return Err(self.wrong(field, other, "an object")),
        };
        Ok(table.into_iter().flatten().map(|(name, value)| (name.as_str(), value)))
    }
}

/// A status code as AWS writes it: three digits.
pub(super) fn parse_status(text: &str) -> Option<u16> {
    let status = text.parse().ok().filter(|status| (100..=599).contains(status));
    status.filter(|_| text.len() == 3)
}

const SHOWN_BYTES_MAX: usize = 80;
pub(super) const STATUS_WANTED: &str = "expected a status from 100 to 599";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::named::named;
    use super::*;

    named! {
        /// A choice.
        enum Colour {
            /// Red.
            Red = "RED",
            /// Blue.
            Blue = "BLUE",
        }
    }

    fn with<T>(value: Value, read: impl FnOnce(Fields<'_>) -> T) -> T {
        let place = Place::api("a1");
        let document = value.as_object().expect("an object");
        read(Fields::new(document, &place))
    }

    fn said<T: fmt::Debug>(result: Result<T>) -> String {
        result.expect_err("a mistake").to_string()
    }

    #[test]
    fn absent_null_and_empty_are_the_same() {
        with(json!({"a": null, "b": ""}), |fields| {
            for field in ["a", "b", "c"] {
                assert_eq!(fields.text(field), Ok(None), "{field}");
                assert_eq!(
                    said(fields.required_text(field)),
                    format!("API `a1`: `{field}` is missing")
                );
                assert_eq!(fields.choice::<Colour>(field), Ok(None));
            }
            assert_eq!(fields.flag("a"), Ok(false));
            assert_eq!(fields.integer::<u32>("a", 1..=2), Ok(None));
            assert_eq!(fields.texts("c"), Ok(vec![]));
            assert!(fields.text_map("a").expect("empty").is_empty());
            assert_eq!(fields.part("a", |_| Ok(())), Ok(None));
        });
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        let long = "x".repeat(100);
        let document = json!({"n": 7, "t": "x", "o": {"a": 1}, "l": [1], "long": long});
        with(document, |fields| {
            assert_eq!(said(fields.text("n")), "API `a1`: `n` is 7, expected a text");
            assert_eq!(said(fields.flag("t")), "API `a1`: `t` is \"x\", expected true or false");
            assert!(said(fields.integer::<u32>("n", 8..=9)).contains("an integer from 8 to 9"));
            assert!(said(fields.integer::<u32>("t", 8..=9)).contains("\"x\""));
            assert!(said(fields.number("n", 0.0..=1.0)).contains("a number from 0 to 1"));
            assert!(
                said(fields.choice::<Colour>("t")).contains("is `x`, expected one of RED, BLUE")
            );
            assert!(said(fields.status("t")).contains("100 to 599"));
            assert!(said(fields.texts("t")).contains("a list of texts"));
            assert!(said(fields.texts("l")).contains("a text in the list"));
            assert!(said(fields.text_map("o")).contains("`o/a` is 1"));
            assert!(said(fields.flag_map("o")).contains("`o/a` is 1"));
            assert!(said(fields.each("o", "thing", |_, _| Ok(()))).contains("`o/a` is 1"));
            assert!(said(fields.each("l", "thing", |_, _| Ok(()))).contains("`l` is a list"));
            assert!(said(fields.part("l", |_| Ok(()))).contains("expected an object"));
            assert!(said(fields.list("o", |_| Ok(()))).contains("`o` is an object"));
            assert!(said(fields.list("l", |_| Ok(()))).contains("an object in the list"));
            assert!(said(fields.flag("long")).contains("a long text"));
        });
    }

    #[test]
    fn places_are_told_from_the_outside_in() {
        with(json!({"o": {"x": {"p": {}}}}), |fields| {
            let read = |inner: Fields<'_>, _: &str| inner.part("p", |part| part.required_text("t"));
            let error = said(fields.each("o", "thing", read));
            assert_eq!(error, "API `a1`, thing `x`, p: `t` is missing");
        });
    }

    #[test]
    fn statuses_have_three_digits() {
        for (text, status) in [
            ("100", Some(100)),
            ("599", Some(599)),
            ("99", None),
            ("600", None),
            ("+20", None),
            ("0200", None),
            ("2xx", None),
        ] {
            assert_eq!(parse_status(text), status, "{text}");
        }
    }
}
