//! JSONPath as parameter mappings use it, over a parsed body.
//!
//! Names, indices (from the end, too), unions, slices, wildcards, and one recursive descent.
//! Filters and functions are refused when a path is compiled. As in the library that AWS refers to
//! ("JSONPath for Java"), a path that can name one place only gives that value or nothing, and any
//! other gives an array of what it found.

use serde_json::Value;

use super::CompileError;
use super::path_parser::{Parser, Step};
use crate::base::limits::JSON_PATH_STEPS_MAX;

/// A compiled path.
///
/// # Invariants
///
/// - At most one step is a descent, and no union names a member twice, so that evaluating visits
///   each value of the body at most once for each step.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Box<[Step]>,
    is_definite: bool,
}

/// What a path found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'v> {
    /// The one value that a definite path names.
    One(&'v Value),
    /// What any other path matched, in the order of the body; maybe nothing.
    Many(Vec<&'v Value>),
}

impl JsonPath {
    /// Compiles a path that begins with `$`.
    ///
    /// # Errors
    ///
    /// What is no path, has more steps than [`JSON_PATH_STEPS_MAX`], or uses what is not supported.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        let fail = |reason: String| CompileError::new(text, reason);
        let rest = text.strip_prefix('$').ok_or_else(|| fail("a path begins with `$`".into()))?;
        let steps = Parser::new(rest).parse().map_err(fail)?;
        if steps.len() > JSON_PATH_STEPS_MAX {
            return Err(fail(format!("a path has at most {JSON_PATH_STEPS_MAX} steps")));
        }
        if steps.iter().filter(|step| matches!(step, Step::Descend)).count() > 1 {
            return Err(fail("a path descends with `..` at most once".into()));
        }
        let is_definite = steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_)));
        Ok(Self { steps: steps.into(), is_definite })
    }

    /// Compiles what follows `body` in a mapping: `.name`, `[0]`, or more of them.
    pub(super) fn compile_tail(text: &str) -> Result<Self, CompileError> {
        Self::compile(&format!("${text}"))
    }

    /// Whether the path has a recursive descent, which HTTP APIs refuse.
    #[must_use]
    pub fn descends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Descend))
    }

    /// What the path names in `root`; `None` if it is definite and names nothing.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<Found<'v>> {
        if self.is_definite {
            let mut steps = self.steps.iter();
            return steps.try_fold(root, |value, step| step.child(value)).map(Found::One);
        }
        let mut matches = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in matches {
                step.push_matches(value, &mut next);
            }
            matches = next;
        }
        Some(Found::Many(matches))
    }

    /// Appends what the path names as text, and answers whether it names a value: `null` is none.
    pub fn write_text(&self, root: &Value, out: &mut Vec<u8>) -> bool {
        self.find(root).is_some_and(|found| found.write_text(out))
    }
}

impl Found<'_> {
    /// Appends the value as a mapping writes it: a string bare, anything else as JSON. `null` is
    /// no value.
    pub fn write_text(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::One(Value::Null) => return false,
            Self::One(Value::String(text)) => out.extend_from_slice(text.as_bytes()),
            Self::One(_) | Self::Many(_) => self.write_json(out),
        }
        true
    }

    /// Appends the value as JSON without blanks.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = match self {
            Self::One(value) => serde_json::to_writer(out, value),
            Self::Many(values) => serde_json::to_writer(out, values),
        };
        written.expect("a vector takes everything, and values have string keys");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(path: &str, root: &Value) -> Option<String> {
        let mut out = b"before ".to_vec();
        let path = JsonPath::compile(path).unwrap_or_else(|error| panic!("{error}"));
        let found = path.write_text(root, &mut out);
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let text = text.strip_prefix("before ").expect("what was there stays");
        assert!(found || text.is_empty(), "{text}");
        found.then(|| text.to_owned())
    }

    fn pets() -> Value {
        json!({
            "petstore": {"pets": [{"name": "Rex", "price": 249.99}, {"name": "Tom", "old": true}]},
            "a.b": 1, "it's": "quoted", "none": null, "empty": "", "big": 18_446_744_073_709_551_615_u64,
        })
    }

    /// AWS's example of a field is `petstore.pets[0].name`.
    #[test]
    fn definite_paths_give_a_value_or_nothing() {
        for (path, wanted) in [
            ("$.petstore.pets[0].name", Some("Rex")),
            ("$['petstore']['pets'][1][\"name\"]", Some("Tom")),
            ("$.petstore.pets[-1].name", Some("Tom")),
            ("$.petstore.pets[ 0 ].price", Some("249.99")),
            ("$.petstore.pets[1].old", Some("true")),
            ("$.petstore.pets[0]", Some("{\"name\":\"Rex\",\"price\":249.99}")),
            ("$['a.b']", Some("1")),
            ("$['it\\'s']", Some("quoted")),
            ("$.empty", Some("")),
            ("$.big", Some("18446744073709551615")),
            ("$.none", None),
            ("$.missing", None),
            ("$.petstore.pets[2].name", None),
            ("$.petstore.pets[-3]", None),
            ("$.petstore.name", None),
            ("$.petstore[0]", None),
            ("$.petstore.pets[0].name.first", None),
            ("$.petstore.pets[-9223372036854775808]", None),
        ] {
            assert_eq!(text(path, &pets()).as_deref(), wanted, "{path}");
        }
        assert_eq!(text("$", &json!([1, "a"])).as_deref(), Some("[1,\"a\"]"));
        assert_eq!(text("$", &json!("a")).as_deref(), Some("a"));
    }

    #[test]
    fn other_paths_give_an_array() {
        for (path, wanted) in [
            ("$.petstore.pets[*].name", r#"["Rex","Tom"]"#),
            ("$.petstore.*[0].name", r#"["Rex"]"#),
            ("$..name", r#"["Rex","Tom"]"#),
            ("$..pets[0].name", r#"["Rex"]"#),
            ("$..['price','old']", "[249.99,true]"),
            ("$.petstore.pets[0]['price','name','price']", r#"[249.99,"Rex"]"#),
            ("$.petstore.pets[1,0,1].name", r#"["Tom","Rex"]"#),
            ("$.petstore.pets[0:1].name", r#"["Rex"]"#),
            ("$.petstore.pets[:].name", r#"["Rex","Tom"]"#),
            ("$.petstore.pets[-1:].name", r#"["Tom"]"#),
            ("$.petstore.pets[:-1].name", r#"["Rex"]"#),
            ("$.petstore.pets[-5:1].name", r#"["Rex"]"#),
            ("$.petstore.pets[:-5].name", "[]"),
            ("$.petstore.pets[1:5].name", r#"["Tom"]"#),
            ("$.petstore.pets[5:2].name", "[]"),
            ("$.missing[*]", "[]"),
            ("$..missing", "[]"),
        ] {
            assert_eq!(text(path, &pets()).as_deref(), Some(wanted), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_said() {
        for (path, reason) in [
            ("a", "a path begins with `$`"),
            ("$a", "`a` begins no step"),
            ("$.", "a step has no name"),
            ("$.a..", "a step has no name"),
            ("$...a", "a step has no name"),
            ("$.a[0", "a bracket is not closed"),
            ("$['a]", "a quote is not closed"),
            ("$[]", "brackets hold a name in quotes, an index, or `*`"),
            ("$[a]", "brackets hold a name in quotes, an index, or `*`"),
            ("$[1,]", "an index is missing after a comma"),
            ("$['a',1]", "a name in brackets stands in quotes"),
            ("$[99999999999999999999]", "`99999999999999999999` is no index"),
            ("$.a b", "`a b` must stand in brackets and quotes"),
            ("$[?(@.a == 1)]", "filter expressions are not supported"),
            ("$.a.length()", "the function `length()` is not supported"),
            ("$..a..b", "a path descends with `..` at most once"),
        ] {
            let error = JsonPath::compile(path).expect_err(path);
            assert_eq!(error.reason, reason, "{path}");
        }
        let deep = |steps: usize| JsonPath::compile(&format!("${}", ".a".repeat(steps)));
        assert!(deep(JSON_PATH_STEPS_MAX).is_ok());
        assert!(deep(JSON_PATH_STEPS_MAX + 1).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c\"\\\\\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c]", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_not(path in "\\$[a-c.\\[\\]'\",*:0-9-]{0,16}", root in any_json()) {
            if let Ok(path) = JsonPath::compile(&path) {
                let mut out = Vec::new();
                if !path.write_text(&root, &mut out) {
                    prop_assert!(out.is_empty());
                }
            }
        }

        #[test]
        fn a_descent_finds_what_the_way_to_it_does(root in any_json()) {
            let Some(Found::Many(all)) = JsonPath::compile("$..a").expect("a path").find(&root)
            else { return Err(TestCaseError::fail("a descent finds many")) };
            for path in ["$.a", "$.b.a", "$[0].a", "$.c[1].a"] {
                if let Some(Found::One(value)) = JsonPath::compile(path).expect("a path").find(&root) {
                    prop_assert!(all.iter().any(|one| std::ptr::eq(*one, value)));
                }
            }
        }
    }
}
