//! The schema takes what the parser takes, and refuses what it can see is wrong.

use serde_json::{Value as Json, json};
use shardgate::settings;
use toml::de::{DeTable, DeValue};

fn json_of(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            number.expect("examples have small integers").into()
        }
        DeValue::Float(float) => float.as_str().parse::<f64>().expect("a number").into(),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(datetime) => datetime.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Table(table) => json_of_table(table),
    }
}

fn json_of_table(table: &DeTable<'_>) -> Json {
    let entry = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = name.get_ref();
        (name.to_string(), json_of(value.get_ref()))
    };
    table.iter().map(entry).collect::<serde_json::Map<_, _>>().into()
}

fn document(text: &str) -> Json {
    json_of_table(DeTable::parse(text).expect("well formed").get_ref())
}

/// As much of JSON Schema as `json_schema` uses. Patterns are left to editors: what they say is
/// tested with the parser. An unknown keyword fails, so that nothing is passed over in silence.
fn fits(value: &Json, schema: &Json, root: &Json) -> bool {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "definitions" | "pattern" => true,
        "$ref" => {
            let pointer = argument.as_str().expect("a reference").trim_start_matches('#');
            fits(value, root.pointer(pointer).expect("it exists"), root)
        }
        "type" => match argument.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            other => panic!("unknown type {other:?}"),
        },
        "properties" => fields(value)
            .all(|(name, field)| argument.get(name).is_none_or(|schema| fits(field, schema, root))),
        "additionalProperties" => {
            let known = keywords.get("properties");
            let is_known = |name: &String| known.is_some_and(|known| known.get(name).is_some());
            fields(value).filter(|(name, _)| !is_known(name)).all(|(_, field)| match argument {
                Json::Bool(allowed) => *allowed,
                schema => fits(field, schema, root),
            })
        }
        "required" => {
            list(argument).all(|name| value.get(name.as_str().expect("a name")).is_some())
        }
        "oneOf" => list(argument).filter(|schema| fits(value, schema, root)).count() == 1,
        "anyOf" => list(argument).any(|schema| fits(value, schema, root)),
        "allOf" => list(argument).all(|schema| fits(value, schema, root)),
        "not" => !fits(value, argument, root),
        "enum" => list(argument).any(|one| one == value),
        "minimum" => {
            value.as_f64().is_none_or(|number| number >= argument.as_f64().expect("a bound"))
        }
        "maximum" => {
            value.as_f64().is_none_or(|number| number <= argument.as_f64().expect("a bound"))
        }
        "items" => list(value).all(|item| fits(item, argument, root)),
        "minItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 >= argument.as_u64().expect("a count")),
        other => panic!("unknown keyword {other}"),
    })
}

fn fields(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

#[test]
fn every_example_fits() {
    let schema = settings::json_schema();
    for path in super::examples::config_files() {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        assert!(fits(&document(&text), &schema, &schema), "{}", path.display());
    }
    assert!(fits(&document(super::SMALL), &schema, &schema));
}

#[test]
fn what_is_wrong_by_itself_does_not_fit() {
    let schema = settings::json_schema();
    for more in [
        "unknown = 1",
        "[limits]\nhead_bytes_max = 61_441",
        "[limits]\nhead_bytes_max = \"1\"",
        "[[listener]]\nname = \"x\"",
        "[[listener]]\nname = \"x\"\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"on\"",
        "[[upstream]]\nname = \"x\"\ntargets = []",
        "[[upstream]]\nname = \"x\"\ntargets = [1]",
        "[[api.route]]\nkey = \"GET /\"",
        "[[api.route]]\nkey = \"GET /\"\nmock = {}\nupstream = \"backend\"",
        "[[api.route]]\nkey = \"GET /\"\nmock = { body = \"\", body_base64 = \"\" }",
        "[[api.route]]\nkey = \"GET /\"\nmock = { headers = { a = 1 } }",
        "[account]\nthrottle = { rate_per_second = 1 }",
        "[process]\nshards = \"all\"",
        "[[listener]]\nname = \"x\"\naddress = \"127.0.0.1:0\"\ntls = 1",
        "[[listener]]\nname = \"x\"\naddress = \"127.0.0.1:0\"\ntls = { x = 1 }",
        "[[domain]]\nnames = []\ncertificate_folder = \"/c\"",
        "[[domain]]\nnames = [\"a\"]\ncertificate_folder = \"/c\"\nsecurity_policy = \"TLS_1_0\"",
    ] {
        // A key of the root stands before the tables.
        let text = if more.starts_with('[') {
            super::small_file(more)
        } else {
            format!("{more}\n{}", super::SMALL)
        };
        assert!(!fits(&document(&text), &schema, &schema), "{more}");
        assert!(super::parse(&text).is_err(), "{more}");
    }
}

#[test]
fn the_schema_states_types_defaults_and_docs() {
    let schema = settings::json_schema();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["required"], json!(["listener"]));
    let backlog = &schema["definitions"]["listener"]["properties"]["backlog"];
    assert_eq!(backlog["type"], "integer");
    assert_eq!(backlog["default"], 4_096);
    assert_eq!((&backlog["minimum"], &backlog["maximum"]), (&json!(1), &json!(65_535)));
    for (table, definition) in schema["definitions"].as_object().expect("definitions") {
        assert!(!definition["description"].as_str().unwrap_or_default().is_empty(), "{table}");
        for (key, property) in definition["properties"].as_object().expect("properties") {
            assert!(
                !property["description"].as_str().unwrap_or_default().is_empty(),
                "{table}.{key}"
            );
        }
    }
}
