//! Methods of REST APIs, compiled.

use super::{FunctionPlan, NotServed, Transfer};
use crate::base::Method;
use crate::expr::{
    GatewayResponseMapping, GatewayTemplate, HttpUri, ResponseSelection, RestRequestMapping,
    RestResponseMapping,
};
use crate::model::PassthroughBehavior;
use crate::model::rest_api::GatewayResponseType;
use crate::plan::GroupSlot;

/// A method of a resource.
#[derive(Debug)]
pub struct MethodPlan {
    /// The id of its resource.
    pub resource_id: Box<str>,
    /// The path of its resource, with placeholders.
    pub resource_path: Box<str>,
    /// What SDKs call it.
    pub operation_name: Option<Box<str>>,
    /// The names of the parameters in the path, in their order.
    pub parameter_names: Box<[Box<str>]>,
    /// What a request must have, sorted by name; empty where no validator asks for it.
    pub required_parameters: Box<[RequiredParameter]>,
    /// What answers.
    pub integration: MethodIntegration,
}

/// A parameter that a request must have.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RequiredParameter {
    /// Its name, compared as it is.
    pub name: Box<str>,
    /// Where it stands.
    pub place: ParameterPlace,
}

/// Where a parameter of a request stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ParameterPlace {
    /// Among the headers.
    Header,
    /// In the query.
    Query,
    /// In the path, where a request that was routed always has it.
    Path,
}

/// What answers a method.
#[derive(Debug)]
pub enum MethodIntegration {
    /// `HTTP` and `HTTP_PROXY`.
    Http(Box<RestHttpPlan>),
    /// `AWS_PROXY` of a function.
    Function(Box<FunctionPlan>),
    /// `MOCK`.
    Mock(Box<RestMockPlan>),
    /// Nothing that could.
    NotServed(NotServed),
}

/// An integration over HTTP.
#[derive(Debug)]
pub struct RestHttpPlan {
    /// `HTTP_PROXY`: the request and the answer pass.
    pub is_proxy: bool,
    /// Who answers.
    pub group: GroupSlot,
    /// `Host` for the endpoint.
    pub host: Box<str>,
    /// What the endpoint is asked with; `None` for the request's own method.
    pub method: Option<Method>,
    /// Where in the endpoint.
    pub uri: HttpUri,
    /// What of the request becomes what.
    pub request: RestRequestMapping,
    /// What becomes of the request's body.
    pub templates: RequestTemplates<BodyTemplate>,
    /// Whether the request's body is read whole before anything is sent.
    pub collects_request: bool,
    /// From the request's last byte sent to the answer's first byte; to its last if it is streamed.
    pub timeout_ms: u64,
    /// How the answer reaches the client.
    pub transfer: Transfer,
    /// What becomes of the answer; empty for proxies.
    pub responses: RestResponsesPlan,
}

/// An integration that the gateway answers by itself.
#[derive(Debug)]
pub struct RestMockPlan {
    /// Which integer the request's template gives as its status.
    pub templates: RequestTemplates<Result<i64, NotServed>>,
    /// What becomes of it.
    pub responses: RestResponsesPlan,
}

/// The integration responses of a method.
#[derive(Debug)]
pub struct RestResponsesPlan {
    /// Which of them answers.
    pub selection: ResponseSelection,
    /// All of them.
    pub responses: Box<[RestResponsePlan]>,
}

impl RestResponsesPlan {
    /// The response for what a mock integration gives as its status, which may be nothing.
    #[must_use]
    pub fn select(&self, status: Option<i64>) -> Option<&RestResponsePlan> {
        let place = match status {
            None => self.selection.default_place(),
            Some(status) => match u16::try_from(status) {
                Ok(status) => self.place_of(status),
                Err(_) => self.selection.select(itoa::Buffer::new().format(status)),
            },
        };
        self.responses.get(place?)
    }

    /// The place of the response for a status of an endpoint.
    #[must_use]
    pub fn place_of(&self, status: u16) -> Option<usize> {
        self.selection.select_status(status)
    }
}

/// An integration response with the method response that it becomes.
#[derive(Debug)]
pub struct RestResponsePlan {
    /// What the client sees.
    pub status: u16,
    /// Its headers.
    pub mapping: RestResponseMapping,
    /// By content type, in the order of the document.
    pub templates: Box<[(Box<str>, BodyTemplate)]>,
}

impl RestResponsePlan {
    /// The template for a client that accepts `accept`: AWS goes by the last `Accept`, then takes
    /// the one for `application/json`, then the first.
    #[must_use]
    pub fn template(&self, accept: Option<&[u8]>) -> Option<(&str, &BodyTemplate)> {
        let named = |name: &[u8]| self.templates.iter().find(|(one, _)| one.as_bytes() == name);
        let found = accept.and_then(named).or_else(|| named(b"application/json"));
        found.or(self.templates.first()).map(|(name, template)| (&**name, template))
    }

    /// Whether the answer's body must be read whole.
    #[must_use]
    pub fn collects_answer(&self) -> bool {
        !self.templates.is_empty() || self.mapping.needs_answer_body()
    }
}

/// What a template makes of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyTemplate {
    /// Nothing: it passes.
    PassThrough,
    /// This text.
    Text(Box<str>),
    /// It needs the template language.
    NotServed(NotServed),
}

/// Templates of an integration's request, by content type.
#[derive(Clone, Debug)]
pub struct RequestTemplates<T> {
    /// In the order of the document.
    pub by_type: Box<[(Box<str>, T)]>,
    /// What happens to a type without one.
    pub passthrough: PassthroughBehavior,
}

/// What is done with the body of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TemplateChoice<'t, T> {
    /// This template is for it.
    Template(&'t T),
    /// It passes.
    PassThrough,
    /// It is refused, 415.
    Refused,
}

impl<T> RequestTemplates<T> {
    /// The template for a content type, without its parameters. AWS: "Method request behavior for
    /// payloads without mapping templates".
    #[must_use]
    pub fn choose(&self, content_type: Option<&[u8]>) -> TemplateChoice<'_, T> {
        let media_type = content_type.unwrap_or(b"application/json");
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let named = |name: &[u8]| {
            let mut all = self.by_type.iter();
            all.find(|(one, _)| one.as_bytes().eq_ignore_ascii_case(name))
        };
        if let Some((_, template)) = named(media_type.trim_ascii()).or_else(|| named(b"$default")) {
            return TemplateChoice::Template(template);
        }
        match self.passthrough {
            PassthroughBehavior::WhenNoMatch => TemplateChoice::PassThrough,
            PassthroughBehavior::WhenNoTemplates if self.by_type.is_empty() => {
                TemplateChoice::PassThrough
            }
            PassthroughBehavior::WhenNoTemplates | PassthroughBehavior::Never => {
                TemplateChoice::Refused
            }
        }
    }
}

/// The gateway responses that an API sets.
#[derive(Debug, Default)]
pub struct GatewayResponsesPlan(pub Box<[GatewayResponsePlan]>);

/// One gateway response.
#[derive(Debug)]
pub struct GatewayResponsePlan {
    /// Which one.
    pub response_type: GatewayResponseType,
    /// In place of the type's own status.
    pub status: Option<u16>,
    /// Its headers.
    pub headers: GatewayResponseMapping,
    /// By content type, in the order of the document.
    pub templates: Box<[(Box<str>, GatewayTemplate)]>,
}

impl GatewayResponsesPlan {
    /// What is set for a type of response itself.
    #[must_use]
    pub fn find(&self, response_type: GatewayResponseType) -> Option<&GatewayResponsePlan> {
        self.0.iter().find(|one| one.response_type == response_type)
    }
}

impl GatewayResponsePlan {
    /// The template for a client that accepts `accept`, with its content type.
    #[must_use]
    pub fn template(&self, accept: Option<&[u8]>) -> Option<(&str, &GatewayTemplate)> {
        let named = |name: &[u8]| self.templates.iter().find(|(one, _)| one.as_bytes() == name);
        let found = accept.and_then(named).or_else(|| named(b"application/json"));
        found.or(self.templates.first()).map(|(name, template)| (&**name, template))
    }
}
