//! Members of documents, as handlers read and write them.

use serde_json::{Map, Value};

use crate::store::Document;

/// A text, if the member is there and one.
pub(in crate::control::management) fn text<'a>(
    document: &'a Document,
    name: &str,
) -> Option<&'a str> {
    document.get(name).and_then(Value::as_str)
}

/// A list's texts.
pub(in crate::control::management) fn texts(document: &Document, name: &str) -> Vec<String> {
    let items = document.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A table, if the member is there and one.
pub(in crate::control::management) fn table<'a>(
    document: &'a Document,
    name: &str,
) -> Option<&'a Document> {
    document.get(name).and_then(Value::as_object)
}

/// A table that is made if it is not there.
pub(in crate::control::management) fn table_mut<'a>(
    document: &'a mut Document,
    name: &str,
) -> &'a mut Document {
    let entry = document.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    match entry {
        Value::Object(table) => table,
        _ => unreachable!("it was made an object"),
    }
}

/// Sets a member that is not there yet.
pub(in crate::control::management) fn default(
    document: &mut Document,
    name: &str,
    value: impl Into<Value>,
) {
    document.entry(name).or_insert_with(|| value.into());
}

/// Whether the member is `true`.
pub(in crate::control::management) fn is_true(document: &Document, name: &str) -> bool {
    document.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Takes away tables and lists that hold nothing.
pub(in crate::control::management) fn remove_empty(document: &mut Document, names: &[&str]) {
    for name in names {
        if is_empty(document, name) {
            document.remove(*name);
        }
    }
}

/// Takes away what a patch left empty. What was given empty stays as it was given.
pub(in crate::control::management) fn remove_emptied(
    before: &Document,
    document: &mut Document,
    names: &[&str],
) {
    for name in names {
        if !is_empty(before, name) {
            remove_empty(document, &[name]);
        }
    }
}

fn is_empty(document: &Document, name: &str) -> bool {
    match document.get(name) {
        Some(Value::Object(table)) => table.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}
