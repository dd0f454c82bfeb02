//! What an update of the second generation brings into a document.

use serde_json::Value;

use super::document::table_mut;
use super::kind::Kind;
use crate::control::management::service::{Operation, Shape, Type, shape};
use crate::store::Document;

/// Members that are there replace those before; an empty one takes them away. Into tables that grow
/// entries are brought by the same rule. Terraform removes what it no longer has in this way.
pub(in crate::control::management) fn bring_in(
    kind: &Kind,
    operation: &Operation,
    document: &mut Document,
    given: Document,
) {
    for (name, mut value) in given {
        match &mut value {
            Value::Object(entries) if kind.grows.contains(&name.as_str()) => {
                let table = table_mut(document, &name);
                for (key, entry) in std::mem::take(entries) {
                    place(table, key, entry);
                }
                continue;
            }
            Value::Object(entries) if is_structure(operation, &name) => {
                entries.retain(|_, entry| entry != "");
                place(document, name, value);
            }
            Value::String(_) if name != "description" => place(document, name, value),
            _ => {
                document.insert(name, value);
            }
        }
    }
}

fn place(document: &mut Document, name: String, value: Value) {
    let is_empty = value == "" || value.as_object().is_some_and(Document::is_empty);
    if is_empty {
        document.shift_remove(&name);
    } else {
        document.insert(name, value);
    }
}

fn is_structure(operation: &Operation, name: &str) -> bool {
    let member = operation.input_members().iter().find(|member| member.wire == name);
    member.is_some_and(|member| match &member.kind {
        Type::Named(name) => matches!(shape(operation.service, name), Shape::Structure(_)),
        Type::Plain(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::control::management::service::{Service, operations};

    static STAGE: Kind = Kind { grows: &["stageVariables"], ..Kind::PLAIN };

    fn updated(given: &Value) -> Value {
        let mut document = json!({
            "description": "d",
            "deploymentId": "i",
            "accessLogSettings": {"format": "f"},
            "defaultRouteSettings": {"throttlingBurstLimit": 1},
            "stageVariables": {"a": "1", "b": "2"}
        });
        let update =
            operations().find(|one| one.service == Service::Http && one.name == "UpdateStage");
        let inner = document.as_object_mut().expect("an object");
        let given = given.as_object().cloned().expect("an object");
        bring_in(&STAGE, update.expect("an operation"), inner, given);
        document
    }

    #[test]
    fn what_is_empty_takes_away() {
        let given = json!({
            "description": "",
            "deploymentId": "",
            "accessLogSettings": {"format": ""},
            "defaultRouteSettings": {"throttlingBurstLimit": 2}
        });
        let wanted = json!({
            "description": "",
            "defaultRouteSettings": {"throttlingBurstLimit": 2},
            "stageVariables": {"a": "1", "b": "2"}
        });
        assert_eq!(updated(&given), wanted);
    }

    #[test]
    fn tables_grow() {
        let changed = updated(&json!({"stageVariables": {"a": "", "c": "3"}}));
        assert_eq!(changed["stageVariables"], json!({"b": "2", "c": "3"}));
    }
}
