//! A routing rule of a domain: headers and a base path, and the stage that answers where they match.

use serde_json::Value;

use super::Document;

/// Which stage answers requests with these headers below this base path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoutingRule {
    /// Its id.
    pub id: String,
    /// Lower numbers are asked first; unique among the rules of a domain.
    pub priority: u64,
    /// What headers must be, all of them.
    pub headers: Vec<HeaderCondition>,
    /// What the path must begin with: segments joined by `/`, without one at either end.
    pub base_path: Option<String>,
    /// The API.
    pub api_id: String,
    /// The stage.
    pub stage_name: String,
    /// Whether the API sees the path without what matched.
    pub is_base_path_stripped: bool,
}

/// What the value of a header must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderCondition {
    /// The header's name, lower case.
    pub name: String,
    /// The value; letter case counts.
    pub value: HeaderGlob,
}

/// A value, or a part of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderGlob {
    /// Equal to this.
    Exact(Box<[u8]>),
    /// `text*`.
    Prefix(Box<[u8]>),
    /// `*text`.
    Suffix(Box<[u8]>),
    /// `*text*`.
    Contains(Box<[u8]>),
}

impl RoutingRule {
    /// Reads the document; `None` for one that has no action or a condition that is none, which a
    /// rule must not match by accident.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let list = |name: &str| document.get(name).and_then(Value::as_array);
        let target = list("actions")?.first()?.get("invokeApi")?;
        let is_stripped = target.get("stripBasePath").and_then(Value::as_bool);
        let mut rule = Self {
            id: text(document.get("routingRuleId")).unwrap_or_default(),
            priority: document.get("priority")?.as_u64()?,
            headers: Vec::new(),
            base_path: None,
            api_id: text(target.get("apiId"))?,
            stage_name: text(target.get("stage"))?,
            is_base_path_stripped: is_stripped.unwrap_or(false),
        };
        for condition in list("conditions").into_iter().flatten() {
            rule.add_condition(condition)?;
        }
        Some(rule)
    }

    fn add_condition(&mut self, condition: &Value) -> Option<()> {
        let only = |name: &str| condition.get(name)?.get("anyOf")?.as_array()?.first();
        if let Some(header) = only("matchHeaders") {
            let name = header.get("header")?.as_str()?.to_ascii_lowercase();
            let value = HeaderGlob::parse(header.get("valueGlob")?.as_str()?);
            self.headers.push(HeaderCondition { name, value });
        } else {
            let base_path = only("matchBasePaths")?.as_str()?;
            self.base_path = Some(base_path.trim_matches('/').to_owned());
        }
        Some(())
    }
}

impl HeaderGlob {
    /// Parses `text`, `text*`, `*text` or `*text*`.
    #[must_use]
    pub fn parse(glob: &str) -> Self {
        let boxed = |text: &str| text.as_bytes().into();
        match (glob.strip_prefix('*'), glob.strip_suffix('*')) {
            (None, None) => Self::Exact(boxed(glob)),
            (None, Some(prefix)) => Self::Prefix(boxed(prefix)),
            (Some(suffix), None) => Self::Suffix(boxed(suffix)),
            // Of `*` alone both stars are the same one.
            (Some(rest), Some(_)) => Self::Contains(boxed(rest.strip_suffix('*').unwrap_or(rest))),
        }
    }

    /// Whether the value is one of these.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => *value == **text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::Contains(text) => memchr::memmem::find(value, text).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Option<RoutingRule> {
        RoutingRule::read(document.as_object().expect("an object"))
    }

    #[test]
    fn a_document_is_read() {
        let rule = read(&json!({
            "routingRuleId": "abc123",
            "priority": 50,
            "conditions": [
                {"matchHeaders": {"anyOf": [{"header": "Hello", "valueGlob": "World*"}]}},
                {"matchBasePaths": {"anyOf": ["users/all"]}},
            ],
            "actions": [{"invokeApi": {"apiId": "a", "stage": "prod", "stripBasePath": true}}],
        }));
        let expected = RoutingRule {
            id: "abc123".into(),
            priority: 50,
            headers: vec![HeaderCondition {
                name: "hello".into(),
                value: HeaderGlob::Prefix((*b"World").into()),
            }],
            base_path: Some("users/all".into()),
            api_id: "a".into(),
            stage_name: "prod".into(),
            is_base_path_stripped: true,
        };
        assert_eq!(rule, Some(expected));
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_no_rule_without_it() {
        let rule = |conditions: Value| {
            let actions = json!([{"invokeApi": {"apiId": "a", "stage": "prod"}}]);
            read(&json!({"priority": 1, "conditions": conditions, "actions": actions}))
        };
        assert!(rule(json!([])).is_some(), "it matches everything");
        assert!(rule(json!([{}])).is_none());
        assert!(rule(json!([{"matchHeaders": {"anyOf": [{"header": "x"}]}}])).is_none());
        assert!(read(&json!({"priority": 1, "actions": []})).is_none());
    }

    #[test]
    fn globs_stand_for_what_their_stars_say() {
        // Of the guide's table of wildcards ("Routing rules to connect API stages").
        for (glob, matching, other) in [
            ("a*", ["account", "alpha"], ["beta", "backup"]),
            ("*a", ["alpha", "beta"], ["version", "v1"]),
            ("*v*", ["v1", "prevent"], ["alpha", "V"]),
            ("beta", ["beta", "beta"], ["beta1", "Beta"]),
        ] {
            let parsed = HeaderGlob::parse(glob);
            for value in matching {
                assert!(parsed.matches(value.as_bytes()), "{glob} and {value}");
            }
            for value in other {
                assert!(!parsed.matches(value.as_bytes()), "{glob} and {value}");
            }
        }
        assert!(HeaderGlob::parse("*").matches(b"") && HeaderGlob::parse("*").matches(b"x"));
        assert!(HeaderGlob::parse("**").matches(b"x"));
    }
}
