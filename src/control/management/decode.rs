//! Input against the shapes of its operation: what cannot be read is a `SerializationException`,
//! what breaks a constraint a `ValidationException` that lists every one, as AWS's services do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex_lite::Regex;
use serde_json::{Number, Value};

use super::error::{ApiError, Code};
use super::service::{
    Member, Operation, Place, Plain, PlainKind, Service, Shape, Type, operations, shape,
};
use crate::store::Document;

/// The members of a body, by wire names, each of its type. Members that the operation does not know
/// are dropped, as is `null`, except for a template of a REST API.
pub(super) fn body(operation: &Operation, payload: &[u8]) -> Result<Document, ApiError> {
    if payload.is_empty() {
        return Ok(Document::new());
    }
    let unread = || ApiError::new(Code::Serialization, "Unable to parse request body");
    match serde_json::from_slice(payload) {
        Ok(Value::Object(document)) => {
            let reader = Reader { service: operation.service };
            let members = operation.input_members().iter().filter(|one| one.place == Place::Body);
            reader.structure(members, document)
        }
        Ok(Value::Null) => Ok(Document::new()),
        Ok(_) | Err(_) => Err(unread()),
    }
}

struct Reader {
    service: Service,
}

impl Reader {
    fn structure<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
        mut document: Document,
    ) -> Result<Document, ApiError> {
        let mut read = Document::new();
        for member in members {
            match document.remove(member.wire) {
                None | Some(Value::Null) => {}
                Some(value) => {
                    let value = match value {
                        Value::Object(entries) if self.has_nulls(member) => {
                            self.entries_with_nulls(&member.kind, entries)?
                        }
                        value => self.value(&member.kind, value)?,
                    };
                    read.insert(member.wire.to_owned(), value);
                }
            }
        }
        Ok(read)
    }

    /// A template that is `null` passes a body on, and is shown.
    fn has_nulls(&self, member: &Member) -> bool {
        self.service == Service::Rest
            && matches!(member.wire, "requestTemplates" | "responseTemplates")
    }

    fn entries_with_nulls(&self, kind: &Type, entries: Document) -> Result<Value, ApiError> {
        let nulls = entries.iter().filter(|(_, value)| value.is_null());
        let nulls: Vec<_> = nulls.map(|(key, _)| (key.clone(), Value::Null)).collect();
        let mut read = self.value(kind, Value::Object(entries))?;
        if let Value::Object(read) = &mut read {
            read.extend(nulls);
        }
        Ok(read)
    }

    fn value(&self, kind: &Type, value: Value) -> Result<Value, ApiError> {
        let name = match kind {
            Type::Plain(kind) => return plain(*kind, value),
            Type::Named(name) => name,
        };
        match (shape(self.service, name), value) {
            (Shape::Structure(members), Value::Object(document)) => {
                self.structure(members.iter(), document).map(Value::Object)
            }
            (Shape::Map(kind), Value::Object(document)) => {
                let entries = document.into_iter().filter(|(_, value)| !value.is_null());
                let entries = entries.map(|(key, value)| Ok((key, self.value(kind, value)?)));
                entries.collect::<Result<Document, _>>().map(Value::Object)
            }
            (Shape::List(kind), Value::Array(items)) => {
                let items = items.into_iter().map(|item| self.value(kind, item));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            (Shape::Structure(_) | Shape::Map(_) | Shape::List(_), value) => {
                let message = if value.is_object() || value.is_array() {
                    "Start of structure or map found where not expected"
                } else {
                    "Unexpected field type"
                };
                Err(ApiError::new(Code::Serialization, message))
            }
            (Shape::Enum(_), value) => plain(PlainKind::Text, value),
            (Shape::Plain(shape), value) => plain(shape.kind, value),
        }
    }
}

/// A value of a plain type. `"5"` is no number and `5` no text, except for texts that hold a number
/// where a number is wanted: SDKs of dynamic languages send them.
fn plain(kind: PlainKind, value: Value) -> Result<Value, ApiError> {
    let is_fit = match kind {
        PlainKind::Text | PlainKind::Blob | PlainKind::Timestamp => value.is_string(),
        PlainKind::Boolean => value.is_boolean(),
        PlainKind::Integer => value.is_i64() || value.is_u64(),
        PlainKind::Number => value.is_number(),
    };
    if is_fit {
        return Ok(value);
    }
    if kind == PlainKind::Integer
        && let Some(number) = value.as_f64().filter(|number| number.fract() == 0.0)
        && number.abs() < 9.0e15
    {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        return Ok(Value::Number(Number::from(number as i64)));
    }
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "class java.lang.Boolean",
        Value::Number(_) => "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
        Value::String(_) => "class java.lang.String",
        Value::Array(_) | Value::Object(_) => {
            let message = "Start of structure or map found where not expected";
            return Err(ApiError::new(Code::Serialization, message));
        }
    };
    let wanted = match kind {
        PlainKind::Text | PlainKind::Blob | PlainKind::Timestamp => "String",
        PlainKind::Boolean => "Boolean",
        PlainKind::Integer => "Integer",
        PlainKind::Number => "Double",
    };
    Err(ApiError::new(Code::Serialization, format!("{found} can not be converted to an {wanted}")))
}

/// Checks every constraint on the input.
pub(super) fn check(
    operation: &'static Operation,
    body: &Document,
    values: &[(&'static str, String)],
    query: &BTreeMap<String, Vec<String>>,
) -> Result<(), ApiError> {
    let mut checker = Checker { service: operation.service, takes_away: false, broken: Vec::new() };
    // Lambda says the members alone.
    let root = (operation.service != Service::Lambda).then(|| {
        let mut root = operation.name.to_owned();
        root[..1].make_ascii_lowercase();
        root + "Input"
    });
    let members = operation.input_members();
    let of_body =
        members.iter().filter(|one| one.place == Place::Body && !is_payload(operation, one));
    let needed = if updates(operation) { needed(operation) } else { Vec::new() };
    for member in of_body {
        checker.takes_away = updates(operation) && !needed.contains(&member.wire);
        checker.structure(std::iter::once(member), body, root.as_deref());
    }
    checker.takes_away = false;
    for member in members {
        let given = match member.place {
            Place::Uri => {
                values.iter().find(|(name, _)| *name == member.wire).map(|(_, text)| text)
            }
            Place::Query => query.get(member.wire).and_then(|texts| texts.first()),
            Place::Header | Place::Body | Place::Payload => continue,
        };
        checker.parameter(member, given)?;
    }
    checker.finish()
}

/// Whether an empty text takes a member away.
fn updates(operation: &Operation) -> bool {
    operation.service == Service::Http && operation.name.starts_with("Update")
}

/// Members that what is updated cannot be without: those that it was made with.
fn needed(operation: &Operation) -> Vec<&'static str> {
    let name = operation.name.replacen("Update", "Create", 1);
    let create = operations().find(|one| one.service == operation.service && one.name == name);
    let members = create.map(Operation::input_members).unwrap_or_default();
    members.iter().filter(|member| member.is_required).map(|member| member.wire).collect()
}

fn is_payload(operation: &Operation, member: &Member) -> bool {
    member.name.eq_ignore_ascii_case("body") && operation.name.contains("mport")
        || operation.name == "PutRestApi"
}

struct Checker {
    service: Service,
    /// Whether texts may be empty, whatever length they are to have.
    takes_away: bool,
    broken: Vec<String>,
}

impl Checker {
    fn finish(self) -> Result<(), ApiError> {
        if self.broken.is_empty() {
            return Ok(());
        }
        let count = self.broken.len();
        let noun = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {noun} detected: {}", self.broken.join("; "));
        // The second generation has no `ValidationException`.
        let code = match self.service {
            Service::Rest | Service::Lambda => Code::Validation,
            Service::Http | Service::Connections => Code::BadRequest,
        };
        Err(ApiError::new(code, message))
    }

    fn note(&mut self, value: &str, path: &str, constraint: &str) {
        let mut path = path.to_owned();
        if self.service == Service::Lambda {
            lower_first_letters(&mut path);
        }
        self.broken.push(format!(
            "Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"
        ));
    }

    /// A value of the path or the query: a text, whatever its type.
    fn parameter(&mut self, member: &Member, given: Option<&String>) -> Result<(), ApiError> {
        let Some(text) = given else {
            if member.is_required {
                self.note("null", member.name, "not be null");
            }
            return Ok(());
        };
        let kind = match &member.kind {
            Type::Plain(kind) => Some(*kind),
            Type::Named(name) => match shape(self.service, name) {
                Shape::Plain(plain) => Some(plain.kind),
                _ => None,
            },
        };
        let unfit = |wanted: &str| {
            let message = format!("class java.lang.String can not be converted to an {wanted}");
            Err(ApiError::new(Code::Serialization, message))
        };
        let value = match kind {
            Some(PlainKind::Integer) => match text.parse::<i64>() {
                Ok(number) => Value::from(number),
                Err(_) => return unfit("Integer"),
            },
            Some(PlainKind::Boolean) => match text.as_str() {
                "true" | "True" => Value::Bool(true),
                "false" | "False" => Value::Bool(false),
                _ => return unfit("Boolean"),
            },
            _ => Value::String(text.clone()),
        };
        if let Type::Named(name) = &member.kind
            && !matches!(shape(self.service, name), Shape::List(_) | Shape::Map(_))
        {
            self.named(name, &value, member.name);
        }
        Ok(())
    }

    fn structure<'a>(
        &mut self,
        members: impl Iterator<Item = &'a Member>,
        document: &Document,
        path: Option<&str>,
    ) {
        for member in members.filter(|one| !matches!(one.place, Place::Uri | Place::Query)) {
            let path = match path {
                Some(path) => format!("{path}.{}", member.wire),
                None => member.wire.to_owned(),
            };
            match document.get(member.wire) {
                None if member.is_required => self.note("null", &path, "not be null"),
                None => {}
                Some(value) => self.value(&member.kind, value, &path),
            }
        }
    }

    fn value(&mut self, kind: &Type, value: &Value, path: &str) {
        if let Type::Named(name) = kind {
            self.named(name, value, path);
        }
    }

    fn named(&mut self, name: &str, value: &Value, path: &str) {
        match (shape(self.service, name), value) {
            (Shape::Structure(members), Value::Object(document)) => {
                self.structure(members.iter(), document, Some(path));
            }
            (Shape::List(kind), Value::Array(items)) => self.list(kind, items, path),
            (Shape::Map(kind), Value::Object(document)) => {
                for (key, value) in document {
                    self.value(kind, value, &format!("{path}.{key}.member"));
                }
            }
            (Shape::Enum(values), Value::String(text)) if !values.contains(&text.as_str()) => {
                self.note(&format!("'{text}'"), path, &enum_constraint(values));
            }
            (Shape::Plain(plain), value) => self.plain(plain, value, path),
            _ => {}
        }
    }

    /// A list of names is one value to the services, whatever is wrong in it.
    fn list(&mut self, kind: &Type, items: &[Value], path: &str) {
        if let Type::Named(name) = kind
            && let Shape::Enum(values) = shape(self.service, name)
        {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            if texts.iter().any(|text| !values.contains(text)) {
                let constraint =
                    format!("satisfy constraint: [Member must {}]", enum_constraint(values));
                self.note(&format!("'[{}]'", texts.join(", ")), path, &constraint);
            }
            return;
        }
        for (index, item) in items.iter().enumerate() {
            self.value(kind, item, &format!("{path}.{}.member", index + 1));
        }
    }

    fn plain(&mut self, plain: &Plain, value: &Value, path: &str) {
        let shown = match value {
            Value::String(text) => format!("'{text}'"),
            other => format!("'{other}'"),
        };
        let size = match value {
            Value::String(text) => i64::try_from(text.chars().count()).unwrap_or(i64::MAX),
            other => other.as_i64().unwrap_or(0),
        };
        let noun = if plain.kind == PlainKind::Text { "length" } else { "value" };
        let takes_away = self.takes_away && value == "";
        if let Some(min) = plain.min.filter(|min| size < *min && !takes_away) {
            self.note(&shown, path, &format!("have {noun} greater than or equal to {min}"));
        }
        if let Some(max) = plain.max.filter(|max| size > *max) {
            self.note(&shown, path, &format!("have {noun} less than or equal to {max}"));
        }
        if let (Some(pattern), Value::String(text)) = (plain.pattern, value)
            && !is_match(pattern, text)
        {
            self.note(&shown, path, &format!("satisfy regular expression pattern: {pattern}"));
        }
    }
}

/// Members are `Code.S3Bucket` in requests of Lambda, and `code.s3Bucket` in its messages.
fn lower_first_letters(path: &mut String) {
    let lowered = path.split('.').map(|segment| {
        let mut segment = segment.to_owned();
        if let Some(first) = segment.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        segment
    });
    *path = lowered.collect::<Vec<_>>().join(".");
}

fn enum_constraint(values: &[&str]) -> String {
    let mut text = String::from("satisfy enum value set: [");
    for (index, value) in values.iter().enumerate() {
        let _ = write!(text, "{}{value}", if index == 0 { "" } else { ", " });
    }
    text.push(']');
    text
}

/// Whether the whole of `text` matches; patterns come from the tables alone. Some of Lambda's look
/// around, which takes the other engine.
fn is_match(pattern: &str, text: &str) -> bool {
    let whole = format!("^(?:{pattern})$");
    match Regex::new(&whole) {
        Ok(regex) => regex.is_match(text),
        Err(_) => {
            fancy_regex::Regex::new(&whole).is_ok_and(|regex| regex.is_match(text).unwrap_or(false))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::service::operations;
    use super::*;

    fn operation(service: Service, name: &str) -> &'static Operation {
        operations().find(|one| one.service == service && one.name == name).expect("an operation")
    }

    fn refusal(service: Service, name: &str, given: Value, values: &[&str]) -> Option<ApiError> {
        let operation = operation(service, name);
        let body = match body(operation, given.to_string().as_bytes()) {
            Ok(body) => body,
            Err(error) => return Some(error),
        };
        let names = operation.path.iter().filter_map(|one| one.strip_prefix('{'));
        let names = names.map(|name| name.trim_end_matches('}'));
        let values: Vec<_> = names.zip(values.iter().map(|one| (*one).to_owned())).collect();
        check(operation, &body, &values, &BTreeMap::new()).err()
    }

    fn message(name: &str, given: Value, values: &[&str]) -> String {
        let error = refusal(Service::Rest, name, given, values).expect("refused");
        assert_eq!(error.code, Code::Validation);
        error.message
    }

    #[test]
    fn broken_constraints_are_listed_in_the_recorded_words() {
        assert_eq!(
            message("PutIntegration", json!({"type": "HTTPS_PROXY"}), &["a", "b", "GET"]),
            "1 validation error detected: Value 'HTTPS_PROXY' at 'putIntegrationInput.type' failed to \
             satisfy constraint: Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, \
             HTTP_PROXY, AWS]"
        );
        let endpoint = json!({"types": ["wrong"], "ipAddressType": "wrong"});
        assert_eq!(
            message("CreateRestApi", json!({"name": "n", "endpointConfiguration": endpoint}), &[]),
            "2 validation errors detected: Value '[wrong]' at \
             'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: Member \
             must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, \
             REGIONAL]]; Value 'wrong' at 'createRestApiInput.endpointConfiguration.ipAddressType' \
             failed to satisfy constraint: Member must satisfy enum value set: [ipv4, dualstack]"
        );
        let patch = json!({"patchOperations": [{"op": "wrong_op", "path": "/a"}]});
        assert_eq!(
            message("UpdateMethodResponse", patch, &["a", "b", "GET", "wrong"]),
            "2 validation errors detected: Value 'wrong_op' at \
             'updateMethodResponseInput.patchOperations.1.member.op' failed to satisfy constraint: \
             Member must satisfy enum value set: [add, remove, move, test, replace, copy]; Value \
             'wrong' at 'statusCode' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [1-5]\\d\\d"
        );
        assert_eq!(
            message("CreateRestApi", json!({}), &[]),
            "1 validation error detected: Value null at 'createRestApiInput.name' failed to satisfy \
             constraint: Member must not be null"
        );
    }

    #[test]
    fn values_of_another_type_cannot_be_read() {
        for (given, found) in [
            (json!({"name": true}), "class java.lang.Boolean can not be converted to an String"),
            (
                json!({"name": 5}),
                "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted \
                 to an String",
            ),
        ] {
            let error = refusal(Service::Rest, "CreateRestApi", given, &[]).expect("refused");
            assert_eq!((error.code, error.message.as_str()), (Code::Serialization, found));
        }
        let nested = json!({"name": {"a": 1}});
        let error = refusal(Service::Rest, "CreateRestApi", nested, &[]).expect("refused");
        assert_eq!(error.code, Code::Serialization);
    }

    #[test]
    fn the_second_generation_answers_bad_request() {
        let given = json!({"integrationType": "LAMBDA_PROXY"});
        let error = refusal(Service::Http, "CreateIntegration", given, &["a"]).expect("refused");
        assert_eq!(error.code, Code::BadRequest);
        let given = json!({"integrationType": "HTTP_PROXY", "timeoutInMillis": 49});
        assert!(refusal(Service::Http, "CreateIntegration", given, &["a"]).is_some());
        let given = json!({"integrationType": "HTTP_PROXY", "timeoutInMillis": 50});
        assert_eq!(refusal(Service::Http, "CreateIntegration", given, &["a"]), None);
    }

    #[test]
    fn unknown_members_and_null_are_dropped() {
        let operation = operation(Service::Rest, "CreateRestApi");
        let given = br#"{"name": "n", "description": null, "colour": "red"}"#;
        let body = body(operation, given).expect("read");
        assert_eq!(Value::Object(body), json!({"name": "n"}));
    }
}
