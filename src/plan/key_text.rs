//! Route keys as text, for messages, throttle keys and the `routes` command.

use std::fmt::Write;

use crate::model::{PathPattern, RouteKey, RouteMethod, Segment};

/// The texts of many route keys, one after the other.
#[derive(Debug, Default)]
pub(super) struct KeyTexts {
    text: Box<str>,
    /// Where each key ends.
    ends: Box<[u32]>,
}

impl KeyTexts {
    pub(super) fn new(keys: &[RouteKey]) -> Self {
        let mut text = String::new();
        let mut push = |key| {
            text.push_str(&route_key_text(key));
            u32::try_from(text.len()).expect("less than 4 GiB of route keys")
        };
        let ends = keys.iter().map(&mut push).collect();
        Self { text: text.into(), ends }
    }

    pub(super) fn get(&self, index: u32) -> Option<&str> {
        let index = index as usize;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        self.text.get(start.unwrap_or(0) as usize..end as usize)
    }
}

/// The route key in AWS's syntax: `GET /items/{id}`. What RFC 3986 does not allow in a segment is
/// percent-encoded, so equal keys have equal texts.
pub(super) fn route_key_text(key: &RouteKey) -> String {
    match key {
        RouteKey::Default => "$default".into(),
        RouteKey::Path { method, path } => {
            let method = match method {
                RouteMethod::Any => "ANY",
                RouteMethod::Exact(method) => method.token().unwrap_or("?"),
            };
            format!("{method} {}", pattern_text(path))
        }
    }
}

fn pattern_text(path: &PathPattern) -> String {
    let mut text = String::new();
    for segment in &path.segments {
        text.push('/');
        match segment {
            Segment::Static(literal) => push_encoded(&mut text, literal),
            Segment::Parameter(name) => text.extend(["{", name, "}"]),
            Segment::Greedy(name) => text.extend(["{", name, "+}"]),
        }
    }
    if text.is_empty() { "/".into() } else { text }
}

/// RFC 3986 section 3.3: what `pchar` is besides escapes.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn push_encoded(text: &mut String, literal: &str) {
    for byte in literal.bytes() {
        if is_segment_byte(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Method;

    #[test]
    fn keys_are_written_as_aws_writes_them() {
        let path = PathPattern {
            segments: vec![
                Segment::Static("a b{}/%é".into()),
                Segment::Parameter("id".into()),
                Segment::Greedy("proxy".into()),
            ],
        };
        let key = RouteKey::Path { method: RouteMethod::Exact(Method::Get), path };
        assert_eq!(route_key_text(&key), "GET /a%20b%7B%7D%2F%25%C3%A9/{id}/{proxy+}");
        assert_eq!(route_key_text(&RouteKey::Default), "$default");
        let root = RouteKey::Path { method: RouteMethod::Any, path: PathPattern::default() };
        assert_eq!(route_key_text(&root), "ANY /");
    }
}
