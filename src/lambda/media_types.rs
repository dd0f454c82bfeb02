//! Which bodies are binary.
//!
//! AWS: "Working with binary media types for REST APIs", "Return binary media from a Lambda proxy
//! integration"; for HTTP APIs the rule is the gateway's own.

/// `binaryMediaTypes` of a REST API, compiled.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BinaryMediaTypes {
    /// `*/*` is among them: everything is binary, without a type too.
    has_all: bool,
    /// In lower case, `image/*` as `image/`.
    ranges: Box<[Box<str>]>,
    exact: Box<[Box<str>]>,
}

impl BinaryMediaTypes {
    pub fn compile<'t>(types: impl IntoIterator<Item = &'t str>) -> Self {
        let (mut ranges, mut exact, mut has_all) = (Vec::new(), Vec::new(), false);
        for one in types {
            let one = one.trim().to_ascii_lowercase();
            match one.strip_suffix('*') {
                Some("*/") => has_all = true,
                Some(range) if range.ends_with('/') => ranges.push(range.into()),
                _ if one.is_empty() => {}
                _ => exact.push(one.into_boxed_str()),
            }
        }
        Self { has_all, ranges: ranges.into(), exact: exact.into() }
    }

    /// Whether a body with this `Content-Type` is binary.
    #[must_use]
    pub fn content_type(&self, value: Option<&[u8]>) -> bool {
        self.has_all || value.is_some_and(|value| self.contains(media_type(value)))
    }

    /// Whether a client with this `Accept` is to get binary data: its first media type counts, and
    /// no other.
    #[must_use]
    pub fn accept(&self, value: Option<&[u8]>) -> bool {
        let is_binary = |value: &[u8]| {
            let end = memchr::memchr(b',', value).unwrap_or(value.len());
            self.contains(media_type(&value[..end]))
        };
        self.has_all || value.is_some_and(is_binary)
    }

    fn contains(&self, wanted: &[u8]) -> bool {
        let is_in_range = |range: &str| {
            wanted.get(..range.len()).is_some_and(|s| s.eq_ignore_ascii_case(range.as_bytes()))
        };
        self.exact.iter().any(|one| wanted.eq_ignore_ascii_case(one.as_bytes()))
            || self.ranges.iter().any(|range| is_in_range(range))
    }
}

/// Whether an HTTP API gives a body with this `Content-Type` to a function as text: `text/*` and
/// the types that are text by their nature. One without a type is text as well; forms are not.
/// Text that is no UTF-8 would be lost, so that it goes as base64 whatever it calls itself.
#[must_use]
pub fn is_http_api_text(content_type: Option<&[u8]>, body: &[u8]) -> bool {
    let is_text = content_type.is_none_or(|value| {
        let wanted = media_type(value);
        let starts = wanted.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
        starts || TEXT_TYPES.iter().any(|one| wanted.eq_ignore_ascii_case(one))
    });
    is_text && std::str::from_utf8(body).is_ok()
}

const TEXT_TYPES: [&[u8]; 3] = [b"application/json", b"application/javascript", b"application/xml"];

/// Without parameters and blanks.
fn media_type(value: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value[..end].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_compared_without_parameters_and_case() {
        let types = BinaryMediaTypes::compile(["image/png", "Application/*"]);
        for value in ["image/png", "IMAGE/PNG; q=1", " image/png ;a", "application/pdf"] {
            assert!(types.content_type(Some(value.as_bytes())), "{value}");
        }
        for value in ["image/pngx", "image", "", "image/*", "applications/a", "text/plain"] {
            assert!(!types.content_type(Some(value.as_bytes())), "{value}");
        }
        assert!(!types.content_type(None));
    }

    #[test]
    fn all_types_are_binary_with_a_wildcard_for_both() {
        let types = BinaryMediaTypes::compile(["*/*"]);
        assert!(types.content_type(None) && types.content_type(Some(b"text/plain")));
        assert!(types.accept(None) && types.accept(Some(b"")));
        let none = BinaryMediaTypes::default();
        assert!(!none.content_type(Some(b"*/*")) && !none.accept(Some(b"*/*")));
    }

    #[test]
    fn only_the_first_accept_media_type_is_honoured() {
        let types = BinaryMediaTypes::compile(["image/webp"]);
        assert!(types.accept(Some(b"image/webp,image/*,*/*;q=0.8")));
        assert!(types.accept(Some(b"image/webp;q=0.1, text/html")));
        assert!(!types.accept(Some(b"text/html,image/webp")));
        assert!(!types.accept(Some(b"*/*")));
        assert!(!types.accept(None));
    }

    #[test]
    fn http_apis_give_text_as_text() {
        for value in ["text/html; charset=utf-8", "application/json", "APPLICATION/XML;a=b"] {
            assert!(is_http_api_text(Some(value.as_bytes()), b"a"), "{value}");
            assert!(!is_http_api_text(Some(value.as_bytes()), b"\xff"), "{value}");
        }
        for value in ["application/x-www-form-urlencoded", "image/png", "", "textual/a"] {
            assert!(!is_http_api_text(Some(value.as_bytes()), b"a"), "{value}");
        }
        assert!(is_http_api_text(None, b"a"));
    }
}
