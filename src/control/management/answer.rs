//! Documents as answers: the members that the operation's output has, each in the form of its service.

use serde_json::{Map, Value};

use super::lambda::FunctionCall;
use super::rest::Invocation;
use super::service::{Member, Operation, Place, PlainKind, Service, Shape, Type, shape};
use crate::base::iso8601;
use crate::store::Document;

/// What an operation answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// Its output, before it is brought into form.
    Document(Document),
    /// A call that is to be made; what it comes to is the answer.
    Invocation(Box<Invocation>),
    /// A function that is to be called; what it answers is the answer.
    Call(Box<FunctionCall>),
    /// A status alone.
    Empty,
}

/// The members of `document` that the operation answers, in the order of its table. Times are stored
/// as seconds; the first generation says them so, the second in ISO 8601.
pub(super) fn project(operation: &Operation, document: &Document) -> Document {
    let mut answer = Map::new();
    for member in operation.output_members().iter().filter(|one| one.place == Place::Body) {
        if let Some(value) = shown(operation.service, member, document) {
            answer.insert(member.wire.to_owned(), form(operation.service, &member.kind, value));
        }
    }
    answer
}

/// What the first generation does not show when it is empty: an identifier, a choice or a description
/// that was taken away.
const HIDDEN_WHEN_EMPTY: [&str; 9] = [
    "authorizerCredentials",
    "authorizerId",
    "clientCertificateId",
    "contentHandling",
    "credentials",
    "description",
    "documentationVersion",
    "identityValidationExpression",
    "requestValidatorId",
];

/// The value of a member, if it is shown.
fn shown<'a>(service: Service, member: &Member, document: &'a Document) -> Option<&'a Value> {
    let value = document.get(member.wire).filter(|value| !value.is_null())?;
    let is_hidden = value == "" && HIDDEN_WHEN_EMPTY.contains(&member.wire);
    (service != Service::Rest || !is_hidden).then_some(value)
}

fn form(service: Service, kind: &Type, value: &Value) -> Value {
    let name = match kind {
        Type::Plain(PlainKind::Timestamp) => return form_time(service, value),
        Type::Plain(_) => return value.clone(),
        Type::Named(name) => name,
    };
    match (shape(service, name), value) {
        (Shape::Structure(members), Value::Object(document)) => {
            let members = members.iter().filter_map(|member| {
                let value = shown(service, member, document)?;
                Some((member.wire.to_owned(), form(service, &member.kind, value)))
            });
            Value::Object(members.collect())
        }
        (Shape::List(kind), Value::Array(items)) => {
            items.iter().map(|item| form(service, kind, item)).collect()
        }
        (Shape::Map(kind), Value::Object(document)) => {
            let entries = document.iter();
            Value::Object(
                entries.map(|(key, value)| (key.clone(), form(service, kind, value))).collect(),
            )
        }
        _ => value.clone(),
    }
}

fn form_time(service: Service, value: &Value) -> Value {
    match (service, value.as_u64()) {
        (Service::Http | Service::Connections, Some(seconds)) => Value::String(iso8601(seconds)),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::service::operations;
    use super::*;

    fn answered(service: Service, name: &str, document: Value) -> Value {
        let operation = operations().find(|one| one.service == service && one.name == name);
        let document = document.as_object().expect("an object");
        Value::Object(project(operation.expect("an operation"), document))
    }

    #[test]
    fn times_have_the_form_of_their_service() {
        let stored = json!({"createdDate": 1_600_000_000, "name": "n"});
        assert_eq!(
            answered(Service::Rest, "GetRestApi", stored.clone())["createdDate"],
            1_600_000_000
        );
        assert_eq!(
            answered(Service::Http, "GetApi", stored)["createdDate"],
            json!("2020-09-13T12:26:40Z")
        );
    }

    #[test]
    fn what_the_output_does_not_have_stays_inside() {
        let stored =
            json!({"item": [{"id": "a", "secret": 1, "tags": {"k": "v"}, "version": null}]});
        assert_eq!(
            answered(Service::Rest, "GetRestApis", stored),
            json!({"item": [{"id": "a", "tags": {"k": "v"}}]})
        );
    }
}
