//! Names as they are written: of things, stages, paths and files.

use std::path::PathBuf;

use super::values::{TextForm, Unformed};
use crate::model::{HashKey, RouteKey};

/// The name of a listener or an upstream, or the id of an API.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Name(pub(super) String);

impl TextForm for Name {
    const EXPECTED: &'static str = "a name of 1 to 64 letters, digits, `.`, `_` and `-`";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9._-]{1,64}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        check_name(text, 64, b"._-").map(|()| Self(text.into()))
    }
}

/// The name that people gave an API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Title(pub(super) String);

impl TextForm for Title {
    const EXPECTED: &'static str = "a name of 1 to 128 characters";
    const PATTERN: Option<&'static str> = Some("^.{1,128}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_title = (1..=128).contains(&text.chars().count());
        if !is_title || text.chars().any(char::is_control) {
            return Err(Unformed::Form);
        }
        Ok(Self(text.into()))
    }
}

impl Title {
    /// The id of an API that is given none: lower case, with `-` for what is no letter or digit.
    pub(super) fn slug(&self) -> String {
        let lower = self.0.to_ascii_lowercase();
        let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").chars().take(64).collect::<String>().trim_end_matches('-').to_owned()
    }
}

/// The name of a stage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StageName(pub(super) String);

impl TextForm for StageName {
    const EXPECTED: &'static str = "`$default`, or a name of 1 to 128 letters, digits, `_` and `-`";
    const PATTERN: Option<&'static str> = Some(r"^(\$default|[A-Za-z0-9_-]{1,128})$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text != "$default" {
            check_name(text, 128, b"_-")?;
        }
        Ok(Self(text.into()))
    }
}

fn check_name(text: &str, bytes_max: usize, others: &[u8]) -> Result<(), Unformed> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    if !(1..=bytes_max).contains(&text.len()) {
        return Err(Unformed::Form);
    }
    match text.bytes().position(|byte| !is_name_byte(byte)) {
        Some(offset) => Err(Unformed::At(offset, "this character may not stand in it".into())),
        None => Ok(()),
    }
}

/// The prefix of an API's paths; empty for none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct BasePath(pub(super) String);

impl TextForm for BasePath {
    const EXPECTED: &'static str = "a path (`/v1`, `/shop/orders`) without `/` at its end, or \"\"";
    const PATTERN: Option<&'static str> = Some("^(/[^/?#{}]+)*$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        if text == "/" {
            return Err(Unformed::because("no base path is written \"\""));
        }
        if let Some(offset) = text.bytes().position(|byte| !byte.is_ascii()) {
            return Err(Unformed::At(offset, "this character is percent-encoded in a path".into()));
        }
        // A base path is a route's path without parameters, and has the same grammar.
        let prefix = "ANY ";
        match RouteKey::parse(&format!("{prefix}{text}")) {
            Ok(_) if text.ends_with('/') || text.contains("//") => {
                Err(Unformed::because("a base path has no empty segments"))
            }
            Ok(key) if key.parameters().next().is_none() => Ok(Self(text.into())),
            Ok(_) => Err(Unformed::because("a base path has no parameters")),
            Err(error) => Err(Unformed::At(error.offset - prefix.len(), error.reason)),
        }
    }
}

impl TextForm for RouteKey {
    const EXPECTED: &'static str =
        "a method and a path (`GET /items/{id}`, `ANY /files/{proxy+}`), or `$default`";
    const PATTERN: Option<&'static str> =
        Some(r"^(\$default|(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|ANY) /[^ ?#]*)$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        Self::parse(text).map_err(|error| Unformed::At(error.offset, error.reason))
    }
}

impl TextForm for HashKey {
    const EXPECTED: &'static str = "`source_ip`, `path`, or `header:` and a header name";
    const PATTERN: Option<&'static str> = Some("^(source_ip|path|header:.+)$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        match text {
            "source_ip" => Ok(Self::SourceIp),
            "path" => Ok(Self::Path),
            _ => {
                let prefix = "header:";
                let name = text.strip_prefix(prefix).ok_or(Unformed::Form)?;
                let name = super::fields::HeaderName::parse(name).map_err(|error| match error {
                    Unformed::At(offset, reason) => Unformed::At(prefix.len() + offset, reason),
                    Unformed::Form => Unformed::At(prefix.len(), "the header has no name".into()),
                })?;
                Ok(Self::Header(name.0.to_ascii_lowercase()))
            }
        }
    }
}

/// The path of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FilePath(pub(super) PathBuf);

impl TextForm for FilePath {
    const EXPECTED: &'static str = "the path of a file";

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.is_empty() || text.contains('\0') {
            return Err(Unformed::Form);
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_bounds() {
        for (bytes, fits) in [(0, false), (1, true), (63, true), (64, true), (65, false)] {
            assert_eq!(Name::parse(&"n".repeat(bytes)).is_ok(), fits, "{bytes}");
        }
        for (count, fits) in [(0, false), (1, true), (127, true), (128, true), (129, false)] {
            assert_eq!(Title::parse(&"é".repeat(count)).is_ok(), fits, "{count}");
            assert_eq!(StageName::parse(&"s".repeat(count)).is_ok(), fits, "{count}");
        }
        assert!(StageName::parse("$default").is_ok());
        assert!(StageName::parse("$other").is_err());
        assert!(Name::parse("a b").is_err());
    }

    #[test]
    fn an_id_is_made_of_a_name() {
        for (name, id) in [("Orders", "orders"), ("My  API (v2)!", "my-api-v2"), ("日本", "")] {
            assert_eq!(Title(name.into()).slug(), id);
        }
        assert_eq!(Title("x".repeat(65)).slug().len(), 64);
    }

    #[test]
    fn base_paths_are_paths_without_parameters() {
        for text in ["", "/v1", "/shop/orders"] {
            assert_eq!(BasePath::parse(text).expect(text).0, text);
        }
        for text in ["/", "v1", "/v1/", "/{a}", "/a//b", "/a?b", "/..", "/é"] {
            assert!(BasePath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hash_keys_name_their_header() {
        assert_eq!(HashKey::parse("header:X-User").ok(), Some(HashKey::Header("x-user".into())));
        for text in ["", "header:", "header:a b", "cookie"] {
            assert!(HashKey::parse(text).is_err(), "{text}");
        }
    }
}
