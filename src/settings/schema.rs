//! The JSON Schema of the boot file, for editors. Draft 7, which TOML editors know.
//!
//! Says what one key may hold. What keys mean together (names that must exist, bounds that depend
//! on each other) no schema can say; `check` does.

use serde_json::{Map, Value as Json, json};
use toml::de::DeValue;

use super::keys::RawFile;
use super::table::{Key, Presence, Shape, Spec};

/// The schema of `gateway.toml`.
#[must_use]
pub fn json_schema() -> Json {
    let mut definitions = Map::new();
    let mut whole = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "gateway.toml",
    });
    add(&mut whole, table_schema(RawFile::SPEC, &mut definitions));
    definitions.sort_keys();
    whole["definitions"] = definitions.into();
    whole
}

fn table_schema(spec: &'static Spec, definitions: &mut Map<String, Json>) -> Json {
    let property = |key: &Key| (key.name.to_owned(), key_schema(key, definitions));
    let properties: Map<_, _> = spec.keys.iter().map(property).collect();
    let mut schema = json!({
        "description": paragraph(spec.doc),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let is_required = |key: &&Key| matches!(key.presence, Presence::Required);
    let required: Vec<_> = spec.keys.iter().filter(is_required).map(|key| key.name).collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if !spec.one_of.is_empty() {
        schema["oneOf"] = spec.one_of.iter().map(|name| json!({ "required": [name] })).collect();
    }
    if !spec.at_most_one_of.is_empty() {
        schema["not"] = json!({ "required": spec.at_most_one_of });
    }
    schema
}

fn key_schema(key: &Key, definitions: &mut Map<String, Json>) -> Json {
    let mut schema = json!({ "description": paragraph(key.doc) });
    if let Presence::Default(text) = key.presence
        && let Ok(default) = DeValue::parse(text)
    {
        schema["default"] = json_of(default.get_ref());
    }
    let mut shape = shape_schema(&key.shape(), definitions);
    if shape.get("$ref").is_some() {
        // A reader of draft 7 ignores what stands beside a reference.
        shape = json!({ "allOf": [shape] });
    }
    add(&mut schema, shape);
    schema
}

fn shape_schema(shape: &Shape, definitions: &mut Map<String, Json>) -> Json {
    match shape {
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer(bound) => {
            json!({ "type": "integer", "minimum": bound.min, "maximum": bound.max })
        }
        Shape::Number(bound) => {
            json!({ "type": "number", "minimum": bound.min, "maximum": bound.max })
        }
        Shape::Text { pattern: Some(pattern), .. } => {
            json!({ "type": "string", "pattern": pattern })
        }
        Shape::Text { pattern: None, .. } => json!({ "type": "string" }),
        Shape::Choice(names) => json!({ "enum": names }),
        Shape::List { item, is_empty_allowed } => {
            let mut schema = json!({ "type": "array", "items": shape_schema(item, definitions) });
            if !is_empty_allowed {
                schema["minItems"] = 1.into();
            }
            schema
        }
        Shape::Map(value) => {
            json!({ "type": "object", "additionalProperties": shape_schema(value, definitions) })
        }
        Shape::OneOf(shapes) => {
            let shapes = shapes.iter().map(|shape| shape_schema(shape, definitions));
            json!({ "anyOf": shapes.collect::<Vec<_>>() })
        }
        Shape::Table(spec) => {
            let name = spec.title.trim_matches(['[', ']']).trim_start_matches("a ");
            if !definitions.contains_key(name) {
                let schema = table_schema(spec, definitions);
                definitions.insert(name.to_owned(), schema);
            }
            json!({ "$ref": format!("#/definitions/{name}") })
        }
    }
}

fn add(schema: &mut Json, more: Json) {
    if let (Json::Object(schema), Json::Object(mut more)) = (schema, more) {
        schema.append(&mut more);
    }
}

fn json_of(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().into()
        }
        DeValue::Float(float) => float.as_str().parse::<f64>().ok().into(),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(datetime) => datetime.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(name, value)| (name.get_ref().to_string(), json_of(value.get_ref())))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// The lines of a doc as one text; an empty line begins a paragraph.
fn paragraph(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines.iter().map(|line| line.trim()) {
        match line {
            "" => text.push_str("\n\n"),
            _ if text.is_empty() || text.ends_with('\n') => text.push_str(line),
            _ => text.extend([" ", line]),
        }
    }
    text
}
