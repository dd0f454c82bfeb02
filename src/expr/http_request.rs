//! Parameter mappings of HTTP APIs on the way to an integration.
//!
//! AWS: "Transforming API requests and responses". All values are read from what was received, so
//! no operation sees what another did. Which order AWS works in is not told; here what is removed
//! goes first, then what is overwritten, then what is appended, so that removing a header and
//! appending it anew does both.

use super::http_key::{
    Action, check_static, compile_header, compile_value, split_key, write_header,
};
use super::http_value::{HttpValue, Side};
use super::percent::{Place, encode, has_dot_segment};
use super::source::Source;
use super::{CompileError, Facts, MappingFault, Scope, Scratch};

/// `requestParameters` of an integration.
#[derive(Clone, Debug, Default)]
pub struct HttpRequestMapping {
    operations: Vec<RequestOperation>,
}

/// One change of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestOperation {
    action: Action,
    target: RequestTarget,
    value: HttpValue,
    greedy: Option<Box<str>>,
}

/// What of a request is changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestTarget {
    /// A header, whose name is compared without case.
    Header(Box<str>),
    /// A query parameter, by its decoded name.
    Query(Box<str>),
    /// The path; only ever overwritten.
    Path,
}

impl HttpRequestMapping {
    /// Compiles pairs such as `append:header.N` and `$request.path.M`. A pair with an empty value
    /// says nothing, unless it removes.
    ///
    /// # Errors
    ///
    /// Every pair that is none.
    pub fn compile<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>> {
        let (mut operations, mut errors) = (Vec::new(), Vec::new());
        for (key, value) in parameters {
            match RequestOperation::compile(key, value, scope) {
                Ok(operation) => operations.extend(operation),
                Err(error) => errors.push(error),
            }
        }
        operations.retain(|operation: &RequestOperation| !operation.is_between_hops());
        operations.sort_by_key(|operation| operation.action);
        if errors.is_empty() { Ok(Self { operations }) } else { Err(errors) }
    }

    /// The changes, in their order.
    #[must_use]
    pub fn operations(&self) -> &[RequestOperation] {
        &self.operations
    }

    /// Whether the request's body must be kept for this.
    #[must_use]
    pub fn needs_request_body(&self) -> bool {
        self.operations.iter().any(|operation| operation.value.needs_request_body())
    }
}

impl RequestOperation {
    fn compile(key: &str, value: &str, scope: &Scope<'_>) -> Result<Option<Self>, CompileError> {
        let (action, place, name) = split_key(key)?;
        let target = match (place, name, action) {
            ("header", Some(name), _) => RequestTarget::Header(compile_header(key, name)?),
            ("querystring", Some(name), _) if !name.is_empty() => RequestTarget::Query(name.into()),
            ("path", None, Action::Overwrite) => RequestTarget::Path,
            _ => return Err(CompileError::new(key, REQUEST_KEYS)),
        };
        let value = compile_value(action, value, Side::Request, scope)?;
        check_static(key, matches!(target, RequestTarget::Header(_)), value.as_ref())?;
        let greedy = scope.greedy.map(Into::into);
        Ok(value.map(|value| Self { action, target, value, greedy }))
    }

    /// Whether it sets what the gateway settles with the endpoint by itself. AWS reserves all others of
    /// these.
    fn is_between_hops(&self) -> bool {
        matches!(&self.target, RequestTarget::Header(name)
            if BETWEEN_HOPS.iter().any(|one| one.eq_ignore_ascii_case(name)))
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> &RequestTarget {
        &self.target
    }

    /// Appends the value as it goes into its place, and answers whether there is one: that of a
    /// header, `name=value` of a query, or a path from its first slash. Where there is none, and
    /// for [`Action::Remove`], nothing is appended; an operation without a value changes nothing.
    ///
    /// # Errors
    ///
    /// A value that its place cannot hold; `out` is then as it was.
    pub fn write_value(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        if self.action == Action::Remove {
            return Ok(false);
        }
        match &self.target {
            RequestTarget::Header(_) => {
                write_header(&self.value, facts, scratch, MappingFault::UnfitRequestHeader, out)
            }
            RequestTarget::Query(name) => Ok(self.write_pair(name, facts, scratch, out)),
            RequestTarget::Path => self.write_path(facts, scratch, out),
        }
    }

    fn write_pair(
        &self,
        name: &str,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        encode(Place::Query, name.as_bytes(), out);
        out.push(b'=');
        let found =
            self.value.each_piece(facts, scratch, |_, text| encode(Place::Query, text, out));
        if !found {
            out.truncate(start);
        }
        found
    }

    fn write_path(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let start = out.len();
        out.push(b'/');
        let found = self.value.each_piece(facts, scratch, |piece, text| {
            let place = place_in_path(piece, self.greedy.as_deref());
            let is_slash_there = out.len() == start + 1 && place != Place::Segment;
            let text = text.strip_prefix(b"/").filter(|_| is_slash_there).unwrap_or(text);
            encode(place, text, out);
        });
        if found && !has_dot_segment(&out[start..]) {
            return Ok(true);
        }
        out.truncate(start);
        if found { Err(MappingFault::UnfitPath) } else { Ok(false) }
    }
}

const BETWEEN_HOPS: [&str; 3] = ["expect", "http2-settings", "proxy-connection"];

const REQUEST_KEYS: &str = "a key is append, overwrite or remove with `:header.NAME` or \
     `:querystring.NAME`, or `overwrite:path`";
/// How the value of a source goes into a path: text of the author and the path of the request are
/// encoded already, and a greedy parameter keeps its slashes.
pub(super) fn place_in_path(source: &Source, greedy: Option<&str>) -> Place {
    match source {
        Source::Static(_) | Source::RequestPath => Place::EncodedPath,
        Source::PathParameter(name) if Some(&**name) == greedy => Place::Segments,
        _ => Place::Segment,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const NO_SCOPE: Scope<'static> = Scope { stage_variables: &|_| None, greedy: Some("proxy") };

    fn request(parameters: &[(&str, &str)]) -> HttpRequestMapping {
        HttpRequestMapping::compile(parameters.iter().copied(), &NO_SCOPE)
            .unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// The value of one operation.
    fn value(key: &str, text: &str, facts: &TestFacts) -> Result<Option<String>, MappingFault> {
        let mapping = request(&[(key, text)]);
        let mut out = Vec::new();
        let operation = &mapping.operations()[0];
        let found = operation.write_value(facts, &mut Scratch::new(), &mut out)?;
        assert!(found || out.is_empty());
        Ok(found.then(|| String::from_utf8(out).expect("the facts are text")))
    }

    #[test]
    fn keys_say_what_is_done_to_what() {
        let mapping = request(&[
            ("append:header.header2", "$request.header.header1"),
            ("overwrite:path", "/v2"),
            ("append:querystring.a.b", "1"),
            ("remove:header.header1", "''"),
            ("overwrite:querystring.q", "2"),
            ("remove:querystring.r", ""),
            ("append:header.removed-setting", ""),
        ]);
        let done: Vec<_> = mapping
            .operations()
            .iter()
            .map(|operation| (operation.action(), operation.target().clone()))
            .collect();
        assert_eq!(
            done,
            [
                (Action::Remove, RequestTarget::Header("header1".into())),
                (Action::Remove, RequestTarget::Query("r".into())),
                (Action::Overwrite, RequestTarget::Path),
                (Action::Overwrite, RequestTarget::Query("q".into())),
                (Action::Append, RequestTarget::Header("header2".into())),
                (Action::Append, RequestTarget::Query("a.b".into())),
            ]
        );
        assert!(!mapping.needs_request_body());
        assert!(request(&[("append:header.a", "${request.body.a}")]).needs_request_body());
        let mut out = Vec::new();
        let removed = &mapping.operations()[0];
        let facts = TestFacts::default();
        assert_eq!(removed.write_value(&facts, &mut Scratch::new(), &mut out), Ok(false));
    }

    #[test]
    fn what_is_no_key_is_said() {
        for key in [
            "header.a",
            "add:header.a",
            "append:header",
            "append:header.",
            "append:header.a b",
            "append:querystring.",
            "append:path",
            "remove:path",
            "overwrite:path.a",
            "overwrite:statuscode",
            "append:cookie.a",
        ] {
            assert!(HttpRequestMapping::compile([(key, "1")], &NO_SCOPE).is_err(), "{key}");
        }
        let value = HttpRequestMapping::compile([("append:header.a", "b\r\nc")], &NO_SCOPE);
        assert!(value.is_err());
    }

    #[test]
    fn a_path_is_overwritten_and_encoded() {
        let facts = TestFacts {
            headers: list(&[("h", "/a/b?c#d")]),
            path: list(&[("id", "a/b c"), ("proxy", "x/y z?"), ("dots", "..")]),
            request_path: b"/pets/a%2Fb".to_vec(),
            ..TestFacts::default()
        };
        for (text, wanted) in [
            ("/v2", Some("/v2")),
            ("v2", Some("/v2")),
            ("/v2/${request.path.id}/x", Some("/v2/a%2Fb%20c/x")),
            ("/v2/${request.path.proxy}", Some("/v2/x/y%20z%3F")),
            ("$request.path.proxy", Some("/x/y%20z%3F")),
            ("$request.path", Some("/pets/a%2Fb")),
            ("/v2${request.path}", Some("/v2/pets/a%2Fb")),
            ("$request.header.h", Some("/%2Fa%2Fb%3Fc%23d")),
            ("/a?b#c d", Some("/a%3Fb%23c%20d")),
            ("$request.path.none", None),
            ("/v2/${request.path.none}", Some("/v2/")),
        ] {
            let found = value("overwrite:path", text, &facts);
            assert_eq!(found.as_ref().map(Option::as_deref), Ok(wanted), "{text}");
        }
        for text in ["/a/${request.path.dots}/b", "$request.path.dots", "/.${request.path.none}"] {
            assert_eq!(
                value("overwrite:path", text, &facts),
                Err(MappingFault::UnfitPath),
                "{text}"
            );
        }
    }

    #[test]
    fn a_query_parameter_is_a_pair() {
        let facts = TestFacts { query: list(&[("q", "1"), ("q", "&")]), ..TestFacts::default() };
        let found = value("append:querystring.a b", "x ${request.querystring.q}", &facts);
        assert_eq!(found, Ok(Some("a%20b=x%201%2C%26".into())));
        assert_eq!(value("append:querystring.a", "$request.querystring.r", &facts), Ok(None));
    }

    #[test]
    fn a_header_without_a_value_stays_as_it_is() {
        let facts = TestFacts::with_request_body("{\"a\": \"x\\ny\", \"b\": \"z\"}");
        let found = |text: &str| value("overwrite:header.h", text, &facts);
        assert_eq!(found("$request.body.b"), Ok(Some("z".into())));
        assert_eq!(found("$request.body.c"), Ok(None));
        assert_eq!(found("$request.body.a"), Err(MappingFault::UnfitRequestHeader));
        let broken = TestFacts::with_request_body("{");
        assert_eq!(value("overwrite:header.h", "$request.body.b", &broken), Ok(None));
        assert_eq!(value("overwrite:header.h", "$request.body", &broken), Ok(Some("{".into())));
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(bytes in prop::collection::vec(any::<u8>(), 0..16), text in "(?s).{0,8}") {
            let mapping = request(&[
                ("append:header.a", "x${request.querystring.q}"),
                ("append:header.b", "$request.body.a"),
                ("append:querystring.a", "${request.querystring.q}${request.body.a}"),
                ("overwrite:path", "/a/${request.querystring.q}/${request.body.a}"),
            ]);
            let facts = TestFacts {
                query: vec![("q".into(), bytes)],
                ..TestFacts::with_request_body(&serde_json::json!({"a": text}).to_string())
            };
            for operation in mapping.operations() {
                let mut out = Vec::new();
                let found = operation.write_value(&facts, &mut Scratch::new(), &mut out);
                prop_assert!(found == Ok(true) || out.is_empty());
                prop_assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                if *operation.target() == RequestTarget::Path && found == Ok(true) {
                    prop_assert_eq!(out.iter().filter(|byte| **byte == b'/').count(), 3);
                    prop_assert!(!out.iter().any(|byte| b"?# ".contains(byte)));
                }
            }
        }

        #[test]
        fn any_pair_is_compiled_or_refused(key in "(append|overwrite|remove):[a-z.:]{0,16}", value in "[a-z.$\\\\{}'\\[\\]]{0,24}") {
            let _ = HttpRequestMapping::compile([(&*key, &*value)], &NO_SCOPE);
        }
    }
}
