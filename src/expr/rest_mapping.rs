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
}

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
