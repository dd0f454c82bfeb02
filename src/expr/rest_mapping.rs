//! Parameter mappings of REST APIs: what of an exchange becomes a header, a query parameter or a
//! part of the path.
//!
//! AWS: "Amazon API Gateway API request and response data mapping reference".

use super::percent::{Place, encode};
use super::rest_value::{RestValue, Side, compile_name};
use super::source::Source;
use super::{CompileError, Facts, MappingFault, Scope, Scratch, header};

/// What an integration request is given: `requestParameters` of an integration.
#[derive(Clone, Debug, Default)]
pub struct RestRequestMapping {
    headers: Vec<HeaderMapping>,
    query: Vec<QueryMapping>,
    path: Vec<(Box<str>, RestValue)>,
}

/// What a method response is given: `responseParameters` of an integration response.
#[derive(Clone, Debug, Default)]
pub struct RestResponseMapping {
    headers: Vec<HeaderMapping>,
}

/// What an answer of the gateway's own is given: `responseParameters` of a gateway response.
#[derive(Clone, Debug, Default)]
pub struct GatewayResponseMapping {
    headers: Vec<HeaderMapping>,
}

/// One header and where its value is from.
#[derive(Clone, Debug)]
pub struct HeaderMapping {
    name: Box<str>,
    value: RestValue,
}

/// One query parameter and where its value is from.
#[derive(Clone, Debug)]
pub struct QueryMapping {
    name: Box<str>,
    value: RestValue,
}

/// Which integrations are meant: those to services of AWS refuse more headers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IntegrationFamily {
    /// `AWS` and `AWS_PROXY`.
    Aws,
    /// `HTTP`, `HTTP_PROXY` and `MOCK`.
    Http,
}

impl RestRequestMapping {
    /// Compiles pairs such as `integration.request.header.N` and `method.request.path.M`.
    ///
    /// # Errors
    ///
    /// Every pair that is none.
    pub fn compile<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>> {
        let (mut mapping, mut errors) = (Self::default(), Vec::new());
        for (key, value) in parameters {
            if let Err(error) = mapping.add(key, value, scope) {
                errors.push(error);
            }
        }
        if errors.is_empty() { Ok(mapping) } else { Err(errors) }
    }

    fn add(&mut self, key: &str, value: &str, scope: &Scope<'_>) -> Result<(), CompileError> {
        let (place, name) = split_key(key, "integration.request.")?;
        let value = RestValue::compile(value, Side::Request, scope)?;
        match place {
            "header" => self.headers.push(HeaderMapping::new(name, value)?),
            "querystring" => self.query.push(QueryMapping { name, value }),
            "path" => self.path.push((name, value)),
            _ => {
                let reason = format!("an integration's request has no `{place}`");
                return Err(CompileError::new(key, reason));
            }
        }
        Ok(())
    }

    /// The headers, in the order in which they were given.
    #[must_use]
    pub fn headers(&self) -> &[HeaderMapping] {
        &self.headers
    }

    /// The query parameters, in the order in which they were given.
    #[must_use]
    pub fn query(&self) -> &[QueryMapping] {
        &self.query
    }

    /// The value for the placeholder `name` of the integration's URI.
    pub(super) fn path_value(&self, name: &str) -> Option<&RestValue> {
        self.path.iter().rev().find(|(one, _)| **one == *name).map(|(_, value)| value)
    }

    /// Whether the request's body must be kept for this.
    #[must_use]
    pub fn needs_request_body(&self) -> bool {
        let headers = self.headers.iter().map(|one| &one.value);
        let query = self.query.iter().map(|one| &one.value);
        let path = self.path.iter().map(|(_, value)| value);
        headers.chain(query).chain(path).any(|value| value.source.needs_request_body())
    }

    /// A header that no mapping may set; AWS answers 500 to every request of such a method.
    #[must_use]
    pub fn illegal_header(&self, family: IntegrationFamily) -> Option<&str> {
        let is_illegal = |name: &str| {
            let is_in = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(name));
            is_in(ILLEGAL_HEADERS) || family == IntegrationFamily::Aws && is_in(AWS_ILLEGAL_HEADERS)
        };
        self.headers.iter().map(HeaderMapping::name).find(|name| is_illegal(name))
    }

    /// Without the headers that no integration gets, whoever sets them.
    #[must_use]
    pub fn without_dropped_headers(mut self, family: IntegrationFamily) -> Self {
        let own = match family {
            IntegrationFamily::Aws => "referer",
            IntegrationFamily::Http => "via",
        };
        let is_dropped = |name: &str| {
            let mut dropped = DROPPED_HEADERS.iter().chain(std::iter::once(&own));
            dropped.any(|one| one.eq_ignore_ascii_case(name))
        };
        self.headers.retain(|header| !is_dropped(&header.name));
        self
    }
}

/// The first is for the connection to the endpoint, which is the gateway's own.
const DROPPED_HEADERS: [&str; 4] = ["connection", "expect", "proxy-authenticate", "te"];

const ILLEGAL_HEADERS: &[&str] =
    &["content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id"];

const AWS_ILLEGAL_HEADERS: &[&str] =
    &["authorization", "connection", "expect", "proxy-authenticate", "te"];

impl RestResponseMapping {
    /// Compiles pairs such as `method.response.header.N` and `integration.response.header.M`.
    ///
    /// # Errors
    ///
    /// Every pair that is none.
    pub fn compile<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>> {
        let headers = compile_headers(parameters, "method.response.", Side::Answer, scope)?;
        Ok(Self { headers })
    }

    /// The headers, in the order in which they were given.
    #[must_use]
    pub fn headers(&self) -> &[HeaderMapping] {
        &self.headers
    }

    /// Whether the answer's body must be kept for this.
    #[must_use]
    pub fn needs_answer_body(&self) -> bool {
        self.headers.iter().any(|one| one.value.source.needs_answer_body())
    }
}

impl GatewayResponseMapping {
    /// Compiles pairs such as `gatewayresponse.header.N` and `method.request.header.M`.
    ///
    /// # Errors
    ///
    /// Every pair that is none.
    pub fn compile<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>> {
        let headers = compile_headers(parameters, "gatewayresponse.", Side::Gateway, scope)?;
        Ok(Self { headers })
    }

    /// The headers, in the order in which they were given; [`HeaderMapping::write_fit_value`] is
    /// for them, since the answer is about an error already.
    #[must_use]
    pub fn headers(&self) -> &[HeaderMapping] {
        &self.headers
    }
}

impl HeaderMapping {
    fn new(name: Box<str>, value: RestValue) -> Result<Self, CompileError> {
        let name = header::compile_name(&name)?;
        if let Source::Static(text) = &value.source
            && !header::is_value(text.as_bytes())
        {
            return Err(CompileError::new(&name, "the value of a header has a control character"));
        }
        Ok(Self { name, value })
    }

    /// The name of the header, as the mapping has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends the header's value and answers whether there is one.
    ///
    /// # Errors
    ///
    /// A body that is no JSON, or a value that is no header's; `out` is then as it was.
    pub fn write_value(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        self.value.write_header(facts, scratch, out)
    }

    /// The same where nothing may fail: what cannot be a value is none.
    pub fn write_fit_value(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        self.write_value(facts, scratch, out).unwrap_or(false)
    }
}

impl QueryMapping {
    /// The name of the parameter, as the mapping has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends `name=value`, encoded, and answers whether there is a value. A parameter with
    /// several values is written with each, joined by `&`.
    ///
    /// # Errors
    ///
    /// A body that is no JSON; `out` is then as it was.
    pub fn write_pairs(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        if let (true, Source::RequestQuery(name, _)) =
            (self.value.is_multi_query, &self.value.source)
        {
            return Ok(self.write_each(name, facts, scratch, out));
        }
        let mut text = std::mem::take(&mut scratch.text);
        text.clear();
        let found = self.value.write(facts, scratch, &mut text);
        if found == Ok(true) {
            self.write_pair(&text, out);
        }
        scratch.text = text;
        found
    }

    fn write_each(
        &self,
        name: &str,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut found = false;
        facts.each_request_query(name, &mut scratch.decoded, |value| {
            if found {
                out.push(b'&');
            }
            found = true;
            self.write_pair(value, out);
        });
        found
    }

    fn write_pair(&self, value: &[u8], out: &mut Vec<u8>) {
        encode(Place::Query, self.name.as_bytes(), out);
        out.push(b'=');
        encode(Place::Query, value, out);
    }
}

fn compile_headers<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    prefix: &str,
    side: Side,
    scope: &Scope<'_>,
) -> Result<Vec<HeaderMapping>, Vec<CompileError>> {
    let (mut headers, mut errors) = (Vec::new(), Vec::new());
    for (key, value) in parameters {
        match compile_header(key, value, prefix, side, scope) {
            Ok(header) => headers.push(header),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(headers) } else { Err(errors) }
}

fn compile_header(
    key: &str,
    value: &str,
    prefix: &str,
    side: Side,
    scope: &Scope<'_>,
) -> Result<HeaderMapping, CompileError> {
    let (place, name) = split_key(key, prefix)?;
    if place != "header" {
        return Err(CompileError::new(key, "an answer is given headers only"));
    }
    HeaderMapping::new(name, RestValue::compile(value, side, scope)?)
}

/// The place and the name of a left side.
fn split_key<'k>(key: &'k str, prefix: &str) -> Result<(&'k str, Box<str>), CompileError> {
    let fail = |reason: String| CompileError::new(key, reason);
    let rest = key.strip_prefix(prefix);
    let rest = rest.ok_or_else(|| fail(format!("the key must begin with `{prefix}`")))?;
    let (place, name) = rest.split_once('.').ok_or_else(|| fail("the key has no name".into()))?;
    Ok((place, compile_name(name).map_err(fail)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const NO_SCOPE: Scope<'static> = Scope { stage_variables: &|_| None, greedy: None };

    fn request(parameters: &[(&str, &str)]) -> RestRequestMapping {
        RestRequestMapping::compile(parameters.iter().copied(), &NO_SCOPE)
            .unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    fn headers(
        headers: &[HeaderMapping],
        facts: &TestFacts,
    ) -> Result<Vec<(String, String)>, MappingFault> {
        let (mut scratch, mut all) = (Scratch::new(), Vec::new());
        for header in headers {
            let mut out = Vec::new();
            if header.write_value(facts, &mut scratch, &mut out)? {
                let value = String::from_utf8(out).expect("the facts are text");
                all.push((header.name().to_owned(), value));
            }
        }
        Ok(all)
    }

    fn query(mapping: &RestRequestMapping, facts: &TestFacts) -> String {
        let mut out = Vec::new();
        for one in mapping.query() {
            let start = out.len();
            if one.write_pairs(facts, &mut Scratch::new(), &mut out).expect("no body is read") {
                out.insert(start, b'?');
            }
        }
        String::from_utf8(out).expect("a query is ASCII")
    }

    #[test]
    fn keys_say_where_values_go() {
        let mapping = request(&[
            ("integration.request.header.body-header", "method.request.body"),
            ("integration.request.path.pet-name", "method.request.body.petstore.pets[0].name"),
            ("integration.request.querystring.q", "method.request.querystring.q"),
            ("integration.request.header.X-Amz-Invocation-Type", "'Event'"),
        ]);
        assert!(mapping.needs_request_body());
        assert!(mapping.path_value("pet-name").is_some() && mapping.path_value("q").is_none());
        let facts = TestFacts::with_request_body("{\"a\":1}");
        let wanted = [("body-header", "{\"a\":1}"), ("X-Amz-Invocation-Type", "Event")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(mapping.headers(), &facts).as_deref(), Ok(&wanted[..]));
    }

    /// The example of AWS's page, with recorded behaviour: each of several values is a parameter.
    #[test]
    fn several_values_of_a_query_stay_several() {
        let mapping = request(&[
            (
                "integration.request.querystring.integrationQueryParam",
                "method.request.multivaluequerystring.methodRequestQueryParam",
            ),
            ("integration.request.querystring.last", "method.request.querystring.q"),
            ("integration.request.querystring.none", "method.request.querystring.none"),
            ("integration.request.querystring.all", "method.request.multivalueheader.H"),
        ]);
        assert!(!mapping.needs_request_body());
        let facts = TestFacts {
            headers: list(&[("H", "x"), ("H", "y")]),
            query: list(&[
                ("methodRequestQueryParam", "a b"),
                ("q", "&=#"),
                ("methodRequestQueryParam", "c"),
            ]),
            ..TestFacts::default()
        };
        let wanted =
            "?integrationQueryParam=a%20b&integrationQueryParam=c?last=%26%3D%23?all=x%2Cy";
        assert_eq!(query(&mapping, &facts), wanted);
        assert_eq!(query(&mapping, &TestFacts::default()), "");
    }

    #[test]
    fn every_mistake_is_reported() {
        let errors = RestRequestMapping::compile(
            [
                ("integration.request.cookie.a", "'b'"),
                ("method.response.header.a", "'b'"),
                ("integration.request.header", "'b'"),
                ("integration.request.header.a b", "'b'"),
                ("integration.request.header.a", "b"),
                ("integration.request.header.a", "'b\r\nc'"),
                ("integration.request.header.fine", "'b'"),
            ],
            &NO_SCOPE,
        );
        assert_eq!(errors.expect_err("six mistakes").len(), 6);
        let place = [("method.response.querystring.a", "'b'")];
        assert!(RestResponseMapping::compile(place, &NO_SCOPE).is_err());
        let place = [("gatewayresponse.path.a", "'b'")];
        assert!(GatewayResponseMapping::compile(place, &NO_SCOPE).is_err());
    }

    #[test]
    fn some_headers_cannot_be_set() {
        let illegal = |name: &str, family| {
            let key = format!("integration.request.header.{name}");
            request(&[(&key, "'1'")]).illegal_header(family).is_some()
        };
        for name in ["Content-Length", "transfer-encoding", "X-Amzn-Trace-Id"] {
            assert!(
                illegal(name, IntegrationFamily::Http) && illegal(name, IntegrationFamily::Aws)
            );
        }
        for name in ["authorization", "TE", "Expect"] {
            assert!(
                !illegal(name, IntegrationFamily::Http) && illegal(name, IntegrationFamily::Aws)
            );
        }
        assert!(!illegal("X-Other", IntegrationFamily::Aws));
    }

    #[test]
    fn some_headers_never_arrive() {
        let names =
            ["Connection", "EXPECT", "Proxy-Authenticate", "te", "Via", "Referer", "Upgrade"];
        let keys = names.map(|name| format!("integration.request.header.{name}"));
        let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "'1'")).collect();
        let left = |family| {
            let mapping = request(&pairs).without_dropped_headers(family);
            mapping.headers().iter().map(|one| one.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(left(IntegrationFamily::Http), ["Referer", "Upgrade"]);
        assert_eq!(left(IntegrationFamily::Aws), ["Via", "Upgrade"]);
    }

    /// AWS: "Set up a gateway response for a REST API using the API Gateway console".
    #[test]
    fn a_gateway_response_has_headers() {
        let mapping = GatewayResponseMapping::compile(
            [
                ("gatewayresponse.header.Access-Control-Allow-Origin", "'a.b.c'"),
                ("gatewayresponse.header.x-request-id", "method.request.header.x-amzn-RequestId"),
                ("gatewayresponse.header.x-request-path", "method.request.path.petId"),
                ("gatewayresponse.header.x-request-query", "method.request.querystring.q"),
            ],
            &NO_SCOPE,
        );
        let facts = TestFacts {
            headers: list(&[("x-amzn-RequestId", "123344566")]),
            path: list(&[("petId", "5\r\nSet-Cookie: a=b")]),
            query: list(&[("q", "1")]),
            ..TestFacts::default()
        };
        let mut values = Vec::new();
        for header in mapping.expect("headers").headers() {
            let mut out = Vec::new();
            let found = header.write_fit_value(&facts, &mut Scratch::new(), &mut out);
            assert_eq!(found, !out.is_empty());
            values.push(String::from_utf8(out).expect("text"));
        }
        assert_eq!(values, ["a.b.c", "123344566", "", "1"]);
    }

    #[test]
    fn a_response_is_mapped_from_the_answer() {
        let mapping = RestResponseMapping::compile(
            [
                ("method.response.header.location", "integration.response.body.redirect.url"),
                ("method.response.header.id", "integration.response.header.x-app-id"),
                ("method.response.header.items", "integration.response.multivalueheader.item"),
            ],
            &NO_SCOPE,
        )
        .expect("headers");
        assert!(mapping.needs_answer_body());
        let mut facts = TestFacts {
            answer_headers: list(&[("x-app-id", "7"), ("item", "a"), ("item", "b")]),
            answer_body: Some(br#"{"redirect": {"url": "/there"}}"#.to_vec()),
            ..TestFacts::default()
        };
        let found = headers(mapping.headers(), &facts).expect("values");
        let values: Vec<_> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["/there", "7", "a,b"]);
        facts.answer_body = Some(br#"{"redirect": {"url": "/a\r\nb: c"}}"#.to_vec());
        assert_eq!(headers(mapping.headers(), &facts), Err(MappingFault::UnfitAnswerHeader));
    }

    proptest! {
        #[test]
        fn no_header_value_holds_a_control_character(text in "(?s).{0,16}", key in any::<[u8; 4]>()) {
            let mapping = request(&[
                ("integration.request.header.a", "method.request.body.a"),
                ("integration.request.header.b", "method.request.querystring.q"),
                ("integration.request.header.c", "method.request.path.p"),
                ("integration.request.header.d", "method.request.multivaluequerystring.q"),
            ]);
            let body = serde_json::json!({"a": text}).to_string();
            let facts = TestFacts {
                query: vec![("q".into(), key.to_vec()), ("q".into(), text.clone().into_bytes())],
                path: vec![("p".into(), key.to_vec())],
                ..TestFacts::with_request_body(&body)
            };
            for header in mapping.headers() {
                let mut out = b"before".to_vec();
                match header.write_value(&facts, &mut Scratch::new(), &mut out) {
                    Ok(found) => prop_assert_eq!(found, out.len() > 6),
                    Err(fault) => {
                        prop_assert_eq!(fault, MappingFault::UnfitRequestHeader);
                        prop_assert_eq!(out.len(), 6);
                    }
                }
                prop_assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            }
        }

        #[test]
        fn any_mapping_is_compiled_or_refused(key in "[a-z.' $:{}\\[\\]]{0,24}", value in "[a-z.' $:{}\\[\\]]{0,24}") {
            let key = format!("integration.request.{key}");
            let value = format!("method.request.{value}");
            let _ = RestRequestMapping::compile([(&*key, &*value)], &NO_SCOPE);
        }
    }
}
