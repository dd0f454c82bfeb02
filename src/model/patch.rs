//! Patch operations of REST APIs: JSON-Patch-like, with text values, and for each noun a table of the
//! paths that may be changed.
//!
//! Owns the syntax of paths and the forms of refusals; which paths a noun has stands with the noun.

use serde_json::{Map, Value};

/// A document of the management API.
pub type Document = Map<String, Value>;

/// One change that is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PatchOperation<'a> {
    /// What to do.
    pub op: PatchOp,
    /// Where; absent where the client gave none.
    pub path: Option<&'a str>,
    /// The new value, always a text.
    pub value: Option<&'a str>,
    /// Where to copy or move from.
    pub from: Option<&'a str>,
}

/// What a patch operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatchOp {
    /// Adds a value, an entry or an item.
    Add,
    /// Removes one.
    Remove,
    /// Replaces one.
    Replace,
    /// Moves one.
    Move,
    /// Copies one.
    Copy,
    /// Changes nothing.
    Test,
}

impl PatchOp {
    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "add" => Self::Add,
            "remove" => Self::Remove,
            "replace" => Self::Replace,
            "move" => Self::Move,
            "copy" => Self::Copy,
            "test" => Self::Test,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Test => "test",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl<'a> PatchOperation<'a> {
    /// Reads the operations of a request, which were checked against their shape.
    pub fn read_all(body: &'a Document) -> impl Iterator<Item = Self> {
        let operations = body.get("patchOperations").and_then(Value::as_array);
        operations.into_iter().flatten().filter_map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str);
            let op = text("op").and_then(PatchOp::parse)?;
            Some(Self { op, path: text("path"), value: text("value"), from: text("from") })
        })
    }

    /// The segments of the path, unescaped; `None` for a path that does not begin with a slash.
    #[must_use]
    pub fn segments(&self) -> Option<Vec<String>> {
        Some(self.path?.strip_prefix('/')?.split('/').map(unescape).collect())
    }
}

/// A segment of a JSON pointer (RFC 6901 section 4).
fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Why a patch is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PatchRefusal {
    /// It asks for what cannot be done.
    Bad(String),
    /// The path is right and its value is none for it.
    Unfit(String),
    /// It asks for something that is not there.
    Missing(String),
}

/// The paths that may be changed on a noun.
#[derive(Debug)]
pub struct Patch {
    /// How it refuses.
    pub style: PatchStyle,
    /// The paths, in the order in which refusals list them.
    pub rows: &'static [PatchRow],
}

/// The forms in which AWS refuses a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PatchStyle {
    /// Says which paths there are.
    Listed,
    /// Says that the path is wrong, or which operations it takes.
    Plain,
    /// Says that the path is wrong, also where only the operation is.
    Bare,
}

/// A path that may be changed.
#[derive(Debug)]
pub struct PatchRow {
    /// `/name`, `/throttle/rateLimit`, or `/variables/*` for any entry or item.
    pub path: &'static str,
    /// The operations that it takes.
    pub ops: Ops,
    /// What its values are.
    pub value: PatchValue,
    /// What is said when an entry to remove or to replace is not there. `None` says nothing: what is
    /// not there is added, or stays away.
    pub missing: Option<&'static str>,
    /// What is said of a value that is none for the path, instead of what is wrong with it.
    pub unfit: Option<&'static str>,
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ops(u8);

impl Ops {
    /// Replacing alone.
    pub const REPLACE: Self = Self(PatchOp::Replace.bit());
    /// Adding and removing.
    pub const ADD_REMOVE: Self = Self(PatchOp::Add.bit() | PatchOp::Remove.bit());
    /// Replacing and removing.
    pub const REPLACE_REMOVE: Self = Self(PatchOp::Replace.bit() | PatchOp::Remove.bit());
    /// Adding and replacing.
    pub const ADD_REPLACE: Self = Self(PatchOp::Add.bit() | PatchOp::Replace.bit());
    /// Adding, replacing and removing.
    pub const ALL: Self = Self(Self::ADD_REMOVE.0 | Self::REPLACE.0);

    fn names(self) -> Vec<&'static str> {
        let all = [PatchOp::Add, PatchOp::Remove, PatchOp::Replace];
        all.into_iter().filter(|op| self.has(*op)).map(PatchOp::name).collect()
    }

    /// Whether `op` is in it.
    #[must_use]
    pub const fn has(self, op: PatchOp) -> bool {
        self.0 & op.bit() != 0
    }
}

/// What the text of a value stands for.
#[derive(Clone, Copy, Debug)]
pub enum PatchValue {
    /// Itself.
    Text,
    /// `true`; whatever else is false.
    Boolean,
    /// A whole number; an empty text removes it.
    Integer,
    /// A number.
    Number,
    /// A list of texts: with `*` in the path, the segment there is the item; else the value is.
    Items,
    /// A table, written as JSON.
    Json,
    /// A table of texts, written as JSON.
    Texts,
}

impl PatchRow {
    /// A path whose absence nobody complains about.
    #[must_use]
    pub const fn new(path: &'static str, ops: Ops, value: PatchValue) -> Self {
        Self { path, ops, value, missing: None, unfit: None }
    }

    /// The same, with what is said when there is nothing to remove or to replace.
    #[must_use]
    pub const fn or_missing(mut self, message: &'static str) -> Self {
        self.missing = Some(message);
        self
    }

    /// The same, with what is said of a wrong value.
    #[must_use]
    pub const fn or_unfit(mut self, message: &'static str) -> Self {
        self.unfit = Some(message);
        self
    }

    /// The segment that `*` stands for, if the path fits.
    fn fit<'s>(&self, segments: &'s [String]) -> Option<Option<&'s str>> {
        let wanted = self.path.split('/').skip(1);
        if wanted.clone().count() != segments.len() {
            return None;
        }
        let mut any = None;
        for (wanted, segment) in wanted.zip(segments) {
            match wanted {
                "*" => any = Some(segment.as_str()),
                wanted if wanted == segment => {}
                _ => return None,
            }
        }
        Some(any)
    }
}

impl Patch {
    /// Applies one operation.
    pub fn apply(
        &self,
        document: &mut Document,
        operation: &PatchOperation<'_>,
    ) -> Result<(), PatchRefusal> {
        if !Ops::ALL.has(operation.op) {
            let message = "Invalid patch operation specified. Must be 'add'|'remove'|'replace'";
            return Err(PatchRefusal::Bad(message.to_owned()));
        }
        let segments = operation.segments().unwrap_or_default();
        let fitting = self.rows.iter().filter(|row| row.ops.has(operation.op));
        let found = fitting.filter_map(|row| Some((row, row.fit(&segments)?))).next();
        let Some((row, any)) = found else { return Err(self.refuse(operation, &segments)) };
        row.apply(document, operation, &segments, any)
    }

    /// Says that the path is wrong, or what can be done to it.
    fn refuse(&self, operation: &PatchOperation<'_>, segments: &[String]) -> PatchRefusal {
        let path = operation.path.unwrap_or("null");
        if self.style != PatchStyle::Listed {
            let known = self.rows.iter().find(|row| row.fit(segments).is_some());
            let known = known.filter(|_| self.style == PatchStyle::Plain);
            return PatchRefusal::Bad(match known {
                Some(row) => format!(
                    "Invalid patch operation specified. Must be one of: [{}]",
                    row.ops.names().join(", ")
                ),
                None => format!("Invalid patch path {path}"),
            });
        }
        let op = operation.op.name();
        let fitting = self.rows.iter().filter(|row| row.ops.has(operation.op));
        let names: Vec<_> = fitting.map(|row| row.path.trim_end_matches("/*")).collect();
        let rest = if names.is_empty() {
            "Please choose supported operations".to_owned()
        } else {
            format!("Must be one of: [{}]", names.join(", "))
        };
        PatchRefusal::Bad(format!("Invalid patch path  '{path}' specified for op '{op}'. {rest}"))
    }
}

impl PatchRow {
    fn apply(
        &self,
        document: &mut Document,
        operation: &PatchOperation<'_>,
        segments: &[String],
        any: Option<&str>,
    ) -> Result<(), PatchRefusal> {
        let Some((last, folders)) = segments.split_last() else { return Ok(()) };
        if let PatchValue::Items = self.value {
            return self.apply_items(document, operation, segments, any);
        }
        let removes = operation.op == PatchOp::Remove;
        let must_be_there = removes || operation.op == PatchOp::Replace && self.missing.is_some();
        let mut folder = document;
        for name in folders {
            if must_be_there && !folder.contains_key(name) {
                return self.nothing_there();
            }
            let entry = folder.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            let Value::Object(inner) = entry else { return Ok(()) };
            folder = inner;
        }
        if must_be_there && !folder.contains_key(last) {
            return self.nothing_there();
        }
        match if removes { None } else { self.parse(operation)? } {
            Some(value) => {
                folder.insert(last.clone(), value);
            }
            None => {
                folder.shift_remove(last);
            }
        }
        Ok(())
    }

    fn apply_items(
        &self,
        document: &mut Document,
        operation: &PatchOperation<'_>,
        segments: &[String],
        any: Option<&str>,
    ) -> Result<(), PatchRefusal> {
        let names = if any.is_some() { &segments[..segments.len() - 1] } else { segments };
        let Some((last, folders)) = names.split_last() else { return Ok(()) };
        let mut folder = document;
        for name in folders {
            let entry = folder.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = entry else { return Ok(()) };
            folder = inner;
        }
        let list = folder.entry(last.clone()).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(items) = list else { return Ok(()) };
        let value = operation.value.unwrap_or_default();
        let item = any.unwrap_or(value);
        // An item is named by what it is or, as Terraform does, by its place.
        let named = items.iter().position(|one| one.as_str() == Some(item));
        let counted = any.and_then(|item| item.parse().ok()).filter(|place| *place < items.len());
        let place = named.or(counted);
        match operation.op {
            PatchOp::Remove => match place {
                Some(place) => {
                    items.remove(place);
                }
                // Removing the list as a whole.
                None if any.is_none() && value.is_empty() => items.clear(),
                None => return self.nothing_there(),
            },
            PatchOp::Replace if any.is_none() => *items = split_items(operation)?,
            // What replaces an item goes to the end.
            PatchOp::Replace => {
                if let Some(place) = place {
                    items.remove(place);
                }
                items.push(if value.is_empty() { item } else { value }.into());
            }
            _ => {
                let new = match any {
                    Some(item) => vec![item.into()],
                    None => split_items(operation)?,
                };
                for item in new {
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
            }
        }
        Ok(())
    }

    fn nothing_there(&self) -> Result<(), PatchRefusal> {
        self.missing.map_or(Ok(()), |message| Err(PatchRefusal::Missing(message.to_owned())))
    }

    /// The value of an operation; `None` for an empty one that removes.
    fn parse(&self, operation: &PatchOperation<'_>) -> Result<Option<Value>, PatchRefusal> {
        let text = operation.value.unwrap_or_default();
        let unfit = |wanted: &str| match self.unfit {
            Some(message) => Err(PatchRefusal::Unfit(message.to_owned())),
            None => Err(unfit(operation, wanted)),
        };
        match self.value {
            PatchValue::Text => Ok(operation.value.map(Value::from)),
            PatchValue::Boolean => Ok(Some(text.eq_ignore_ascii_case("true").into())),
            PatchValue::Integer | PatchValue::Number if text.is_empty() => Ok(None),
            PatchValue::Integer => match text.parse::<i64>() {
                Ok(number) => Ok(Some(Value::from(number))),
                Err(_) => unfit("an integer"),
            },
            PatchValue::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(Value::from(number))),
                _ => unfit("a number"),
            },
            PatchValue::Json => match serde_json::from_str::<Value>(text) {
                Ok(value @ Value::Object(_)) => Ok(Some(value)),
                _ => unfit("a JSON object"),
            },
            PatchValue::Texts => match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(table)) if table.values().all(Value::is_string) => {
                    Ok(Some(Value::Object(table)))
                }
                _ => unfit("a JSON object of strings"),
            },
            PatchValue::Items => Ok(None),
        }
    }
}

fn unfit(operation: &PatchOperation<'_>, wanted: &str) -> PatchRefusal {
    let (path, text) = (operation.path.unwrap_or_default(), operation.value.unwrap_or_default());
    PatchRefusal::Unfit(format!("Invalid value for {path}: '{text}' is not {wanted}"))
}

/// A list is written with commas, or as JSON.
fn split_items(operation: &PatchOperation<'_>) -> Result<Vec<Value>, PatchRefusal> {
    let value = operation.value.unwrap_or_default();
    match serde_json::from_str(value) {
        Ok(Value::Array(items)) if items.iter().all(Value::is_string) => Ok(items),
        Ok(Value::Array(_)) => Err(unfit(operation, "a list of strings")),
        _ => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(items.map(Value::from).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTED: Patch = Patch {
        style: PatchStyle::Listed,
        rows: &[
            PatchRow::new("/description", Ops::REPLACE, PatchValue::Text),
            PatchRow::new("/enabled", Ops::REPLACE, PatchValue::Boolean),
            PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        ],
    };
    const PLAIN: Patch = Patch {
        style: PatchStyle::Plain,
        rows: &[
            PatchRow::new("/requestParameters/*", Ops::ALL, PatchValue::Boolean)
                .or_missing("Invalid parameter name specified"),
            PatchRow::new("/binaryMediaTypes/*", Ops::ALL, PatchValue::Items),
            PatchRow::new("/size", Ops::REPLACE, PatchValue::Integer),
            PatchRow::new("/throttle/rateLimit", Ops::ALL, PatchValue::Number),
            PatchRow::new("/variables", Ops::REPLACE, PatchValue::Texts),
            PatchRow::new("/scopes", Ops::ALL, PatchValue::Items),
        ],
    };

    fn apply(patch: &Patch, op: &str, path: &str, value: &str) -> Result<Value, PatchRefusal> {
        let mut document = json!({
            "name": "n",
            "size": 5,
            "binaryMediaTypes": ["a/b"],
            "requestParameters": {"method.request.header.a": true}
        });
        let op = PatchOp::parse(op).expect("an operation");
        let operation = PatchOperation { op, path: Some(path), value: Some(value), from: None };
        let Value::Object(inner) = &mut document else { unreachable!("an object") };
        patch.apply(inner, &operation).map(|()| document)
    }

    fn refused(patch: &Patch, op: &str, path: &str) -> String {
        match apply(patch, op, path, "x") {
            Err(
                PatchRefusal::Bad(message)
                | PatchRefusal::Unfit(message)
                | PatchRefusal::Missing(message),
            ) => message,
            Ok(document) => panic!("applied: {document}"),
        }
    }

    #[test]
    fn refusals_have_the_recorded_words() {
        assert_eq!(
            refused(&LISTED, "replace", "/id"),
            "Invalid patch path  '/id' specified for op 'replace'. Must be one of: [/description, \
             /enabled, /name]"
        );
        assert_eq!(
            refused(&LISTED, "add", "/wrong-path"),
            "Invalid patch path  '/wrong-path' specified for op 'add'. Please choose supported \
             operations"
        );
        assert_eq!(
            refused(&LISTED, "move", "/name"),
            "Invalid patch operation specified. Must be 'add'|'remove'|'replace'"
        );
        assert_eq!(
            refused(&PLAIN, "add", "/binaryMediaTypes"),
            "Invalid patch path /binaryMediaTypes"
        );
        assert_eq!(
            refused(&PLAIN, "add", "/size"),
            "Invalid patch operation specified. Must be one of: [replace]"
        );
        assert_eq!(
            refused(&PLAIN, "remove", "/requestParameters/nothing"),
            "Invalid parameter name specified"
        );
    }

    #[test]
    fn values_become_what_they_stand_for() {
        let name = apply(&LISTED, "replace", "/name", "m").expect("applied");
        assert_eq!(name["name"], "m");
        let enabled = apply(&LISTED, "replace", "/enabled", "True").expect("applied");
        assert_eq!(enabled["enabled"], true);
        let disabled = apply(&LISTED, "replace", "/enabled", "yes").expect("applied");
        assert_eq!(disabled["enabled"], false);
        assert_eq!(apply(&PLAIN, "replace", "/size", "9").expect("applied")["size"], 9);
        assert_eq!(apply(&PLAIN, "replace", "/size", "").expect("applied").get("size"), None);
        let nested = apply(&PLAIN, "add", "/throttle/rateLimit", "1.5").expect("applied");
        assert_eq!(nested["throttle"], json!({"rateLimit": 1.5}));
    }

    const MISSING: Patch = Patch {
        style: PatchStyle::Plain,
        rows: &[
            PatchRow::new("/requestParameters/*", Ops::ALL, PatchValue::Text).or_missing("gone"),
            PatchRow::new("/more/*", Ops::ALL, PatchValue::Text).or_missing("gone"),
        ],
    };
    const BARE: Patch = Patch {
        style: PatchStyle::Bare,
        rows: &[PatchRow::new("/size", Ops::REPLACE, PatchValue::Integer).or_unfit("no size")],
    };

    #[test]
    fn what_must_be_there_is_neither_removed_nor_replaced_where_it_is_not() {
        for op in ["remove", "replace"] {
            for path in ["/requestParameters/nothing", "/more/nothing"] {
                assert_eq!(refused(&MISSING, op, path), "gone");
            }
        }
        let added = apply(&PLAIN, "replace", "/throttle/rateLimit", "2").expect("applied");
        assert_eq!(added["throttle"], json!({"rateLimit": 2.0}));
    }

    #[test]
    fn a_bare_refusal_says_that_the_path_is_wrong_whatever_is() {
        assert_eq!(refused(&BARE, "add", "/size"), "Invalid patch path /size");
        assert_eq!(refused(&BARE, "replace", "/other"), "Invalid patch path /other");
        assert_eq!(refused(&BARE, "replace", "/size"), "no size");
    }

    #[test]
    fn tables_and_lists_hold_texts_alone() {
        let table = apply(&PLAIN, "replace", "/variables", r#"{"a": "1"}"#).expect("applied");
        assert_eq!(table["variables"], json!({"a": "1"}));
        for value in [r#"{"a": 1}"#, r#"{"a": null}"#, r#"{"a": {}}"#, "[]", "a"] {
            let refusal = apply(&PLAIN, "replace", "/variables", value).expect_err(value);
            let wanted = "is not a JSON object of strings";
            let message = format!("Invalid value for /variables: '{value}' {wanted}");
            assert_eq!(refusal, PatchRefusal::Unfit(message));
        }
        for op in ["add", "replace"] {
            let list = apply(&PLAIN, op, "/scopes", r#"["a", "b"]"#).expect("applied");
            assert_eq!(list["scopes"], json!(["a", "b"]));
            for value in ["[1]", r#"["a", null]"#, "[{}]"] {
                let refusal = apply(&PLAIN, op, "/scopes", value).expect_err(value);
                assert!(matches!(refusal, PatchRefusal::Unfit(_)), "{refusal:?}");
            }
        }
    }

    #[test]
    fn items_and_entries_are_addressed_by_their_escaped_names() {
        let more = apply(&PLAIN, "add", "/binaryMediaTypes/image~1png", "").expect("applied");
        assert_eq!(more["binaryMediaTypes"], json!(["a/b", "image/png"]));
        let other = apply(&PLAIN, "replace", "/binaryMediaTypes/a~1b", "c/d").expect("applied");
        assert_eq!(other["binaryMediaTypes"], json!(["c/d"]));
        let first = apply(&PLAIN, "replace", "/binaryMediaTypes/0", "c/d").expect("applied");
        assert_eq!(first["binaryMediaTypes"], json!(["c/d"]));
        let next = apply(&PLAIN, "replace", "/binaryMediaTypes/1", "c/d").expect("applied");
        assert_eq!(next["binaryMediaTypes"], json!(["a/b", "c/d"]));
        let less = apply(&PLAIN, "remove", "/binaryMediaTypes/a~1b", "").expect("applied");
        assert_eq!(less["binaryMediaTypes"], json!([]));
        let entry = apply(&PLAIN, "add", "/requestParameters/method.request.path.b", "false");
        assert_eq!(entry.expect("applied")["requestParameters"]["method.request.path.b"], false);
    }
}
