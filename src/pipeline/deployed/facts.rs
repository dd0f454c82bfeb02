//! What expressions may read of an exchange.

use std::io::Write as _;

use super::super::client::Client;
use super::super::request::Request;
use super::super::respond::without_port;
use super::super::state::ShardState;
use super::{Arrival, query};
use crate::base::Method;
use crate::expr::{ContextVariable, Facts, NameCase, Pick};
use crate::model::ApiProtocol;
use crate::plan::deployed::{DeployedStagePlan, Dialect, HttpRoutePlan, MethodPlan};
use crate::plan::{AddressForm, PathSpans, Plan, StagePlan};
use crate::proto::uri::percent_decode;
use crate::proto::{Field, FieldName, ResponseHead, Version};

/// A request of a deployed API with all that was found out about it.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct Call<'c> {
    pub(in crate::pipeline) state: &'c ShardState,
    pub(in crate::pipeline) plan: &'c Plan,
    pub(in crate::pipeline) client: &'c Client<'c>,
    pub(in crate::pipeline) request: &'c Request<'c>,
    pub(in crate::pipeline) stage: &'c StagePlan,
    pub(in crate::pipeline) deployed: &'c DeployedStagePlan,
    /// Index of its route, if one was found.
    pub(in crate::pipeline) route_index: Option<u32>,
    /// Its parameters, in `path`.
    pub(in crate::pipeline) spans: &'c PathSpans,
    /// The path without the address of the stage.
    pub(in crate::pipeline) path: &'c [u8],
    /// The whole path, in its normal form.
    pub(in crate::pipeline) whole_path: &'c [u8],
    /// What it is routed by.
    pub(in crate::pipeline) method: Method,
    pub(in crate::pipeline) arrival: &'c Arrival,
}

/// The route of a call.
#[derive(Clone, Copy)]
pub(super) enum Route<'c> {
    Method(&'c MethodPlan),
    Http(&'c HttpRoutePlan),
}

impl<'c> Route<'c> {
    /// The names of the parameters of its path, in their order.
    pub(super) fn parameter_names(self) -> &'c [Box<str>] {
        match self {
            Self::Method(method) => &method.parameter_names,
            Self::Http(route) => &route.parameter_names,
        }
    }
}

impl<'c> Call<'c> {
    pub(super) fn route(&self) -> Option<Route<'c>> {
        use crate::plan::IntegrationPlan::{HttpRoute, Method, Mock, Proxy, Redirect};
        let route = self.stage.routes.get(self.route_index? as usize)?;
        match &route.integration {
            Method(method) => Some(Route::Method(method)),
            HttpRoute(route) => Some(Route::Http(route)),
            Proxy(_) | Mock(_) | Redirect(_) => None,
        }
    }

    /// The kind of its API.
    pub(in crate::pipeline) fn protocol(&self) -> ApiProtocol {
        match &self.deployed.dialect {
            Dialect::Rest(_) => ApiProtocol::Rest,
            Dialect::Http(_) => ApiProtocol::Http,
        }
    }

    /// The method's token as it came, or as it was overridden.
    pub(super) fn method_token(&self) -> &'c [u8] {
        match self.method.token() {
            Some(token) => token.as_bytes(),
            None => self.request.head.method_token.of(self.request.bytes),
        }
    }

    /// The first value of a header that the gateway itself goes by.
    pub(super) fn header(&self, name: FieldName) -> Option<&'c [u8]> {
        Some(self.request.head.field(name)?.value.of(self.request.bytes))
    }

    /// The last `Accept`, which chooses templates.
    pub(super) fn accept(&self) -> Option<&'c [u8]> {
        let fields = self.request.head.fields.iter().rev();
        let accept =
            fields.filter(|field| field.known == FieldName::Accept).map(|field| field.value);
        accept.map(|value| value.of(self.request.bytes)).next()
    }
}

/// A call with what happened to it so far.
#[derive(Clone, Copy)]
pub(super) struct CallFacts<'f> {
    pub(super) call: &'f Call<'f>,
    /// The request's body, if it was read whole.
    pub(super) request_body: Option<&'f [u8]>,
    pub(super) answer: Option<AnswerFacts<'f>>,
    pub(super) error: Option<ErrorFacts<'f>>,
}

/// The answer of an integration.
#[derive(Clone, Copy)]
pub(super) struct AnswerFacts<'f> {
    pub(super) head: &'f ResponseHead,
    pub(super) bytes: &'f [u8],
    /// Its body, if it was read whole.
    pub(super) body: Option<&'f [u8]>,
}

/// Why the gateway answers.
#[derive(Clone, Copy)]
pub(super) struct ErrorFacts<'f> {
    /// What is wrong; none says `null`.
    pub(super) message: Option<&'f str>,
    pub(super) response_type: &'f str,
}

impl<'f> CallFacts<'f> {
    /// The facts before anything was asked of an integration.
    pub(super) fn new(call: &'f Call<'f>, request_body: Option<&'f [u8]>) -> Self {
        Self { call, request_body, answer: None, error: None }
    }
}

impl Facts for CallFacts<'_> {
    fn request_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool {
        let request = self.call.request;
        // HTTP/2 has no case in names.
        let case = if request.head.version == Version::Http2 { NameCase::Ignored } else { case };
        write_fields(&request.head.fields, request.bytes, (name, case), pick, out)
    }

    fn request_query(&self, name: &str, pick: Pick, out: &mut Vec<u8>) -> bool {
        let values = query::values(self.call.request.query(), name);
        match pick {
            Pick::Last => values.last().map(|raw| query::decode(raw, out)).is_some(),
            Pick::Joined => join(values, out, query::decode),
        }
    }

    fn each_request_query(&self, name: &str, scratch: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) {
        for raw in query::values(self.call.request.query(), name) {
            scratch.clear();
            query::decode(raw, scratch);
            visit(scratch);
        }
    }

    fn path_parameter(&self, name: &str, out: &mut Vec<u8>) -> bool {
        let Some(route) = self.call.route() else { return false };
        let names = route.parameter_names();
        let index = names.iter().position(|one| **one == *name);
        let raw = index.and_then(|index| self.call.spans.raw(index, self.call.path));
        let Some(raw) = raw else { return false };
        let start = out.len();
        if percent_decode(raw, out).is_err() {
            out.truncate(start);
            out.extend_from_slice(raw);
        }
        true
    }

    fn request_path(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.call.path);
        true
    }

    fn request_body(&self) -> Option<&[u8]> {
        self.request_body
    }

    fn context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let written = self.write_context(variable, out);
        if written.is_none() {
            out.truncate(start);
        }
        written.is_some()
    }

    fn answer_header(&self, name: &str, case: NameCase, pick: Pick, out: &mut Vec<u8>) -> bool {
        let Some(answer) = self.answer else { return false };
        let is_http2 = answer.head.version == Version::Http2;
        let case = if is_http2 { NameCase::Ignored } else { case };
        write_fields(&answer.head.fields, answer.bytes, (name, case), pick, out)
    }

    fn answer_body(&self) -> Option<&[u8]> {
        self.answer?.body
    }
}

impl CallFacts<'_> {
    fn write_context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> Option<()> {
        use ContextVariable as V;
        let Call { request, client, stage, deployed, arrival, state, .. } = *self.call;
        if state.trial.is_some() && self.write_trial_context(variable, out) {
            return Some(());
        }
        match variable {
            V::AccountId => out.extend_from_slice(deployed.account_id.as_bytes()),
            V::ApiId => out.extend_from_slice(stage.labels.api_id.as_bytes()),
            V::DeploymentId => out.extend_from_slice(deployed.deployment_id.as_bytes()),
            V::Stage => {
                let name = &*stage.labels.stage_name;
                let name = if deployed.is_canary { name.strip_suffix("/Canary")? } else { name };
                out.extend_from_slice(name.as_bytes());
            }
            V::IsCanaryRequest => {
                out.extend_from_slice(if deployed.is_canary { b"true" } else { b"false" });
            }
            V::DomainName => {
                out.extend(without_port(request.authority()).iter().map(u8::to_ascii_lowercase));
            }
            V::DomainPrefix => {
                let host = without_port(request.authority());
                let label = host.split(|byte| *byte == b'.').next()?;
                out.extend(label.iter().map(u8::to_ascii_lowercase));
            }
            V::RequestId => match self.call.route() {
                Some(Route::Http(_)) => out.extend_from_slice(request.id.as_bytes()),
                _ => out.extend_from_slice(&arrival.uuid),
            },
            V::ExtendedRequestId => out.extend_from_slice(request.id.as_bytes()),
            V::XrayTraceId => out.extend_from_slice(arrival.trace_id.as_bytes()),
            V::HttpMethod => out.extend_from_slice(self.call.method_token()),
            V::Protocol => out.extend_from_slice(request.head.version.as_str().as_bytes()),
            V::Path => self.write_path(out),
            V::RequestTime => {
                out.extend_from_slice(state.clf_time(request.started).as_slice());
            }
            V::RequestTimeEpoch => {
                let unix_ms = state.unix_millis_at(request.started);
                out.extend_from_slice(itoa::Buffer::new().format(unix_ms).as_bytes());
            }
            V::IdentitySourceIp => {
                let ip = client.source_ip(request).unwrap_or_else(|| client.ip());
                let _ = write!(out, "{ip}"); // a Vec takes all
            }
            V::IdentityUserAgent => out.extend_from_slice(self.call.header(FieldName::UserAgent)?),
            V::RouteKey => out.extend_from_slice(self.route_key()?.as_bytes()),
            V::ResourcePath | V::ResourceId | V::OperationName => {
                let Some(Route::Method(method)) = self.call.route() else { return None };
                let text = match variable {
                    V::ResourcePath => &method.resource_path,
                    V::ResourceId => &method.resource_id,
                    _ => method.operation_name.as_ref()?,
                };
                out.extend_from_slice(text.as_bytes());
            }
            V::BasePathMatched | V::RoutingRuleIdMatched => self.write_domain(variable, out)?,
            V::ErrorMessage => out.extend_from_slice(self.error?.message?.as_bytes()),
            V::ErrorResponseType => out.extend_from_slice(self.error?.response_type.as_bytes()),
            V::ErrorValidationErrorString => {
                out.extend_from_slice(arrival.detail.as_deref()?.as_bytes())
            }
            V::TlsVersion => out.extend_from_slice(client.tls?.version.as_bytes()),
            V::CipherSuite => out.extend_from_slice(client.tls?.suite.as_bytes()),
            V::IntegrationStatus | V::IntegrationStatusPlain | V::IntegrationIntegrationStatus => {
                let status = self.answer?.head.status;
                out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            }
            _ => self.write_certificate(variable, out)?,
        }
        Some(())
    }

    /// What AWS says in place of where a trial (`TestInvokeMethod`) would come from; whether it has
    /// anything to say of `variable`.
    fn write_trial_context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(match variable {
            ContextVariable::IdentitySourceIp => b"test-invoke-source-ip",
            ContextVariable::DomainName => b"testPrefix.testDomainName",
            ContextVariable::DomainPrefix => b"testPrefix",
            ContextVariable::Path => self.call.path,
            _ => return false,
        });
        true
    }

    /// The path that a private integration of an HTTP API gets.
    pub(super) fn write_private_path(&self, out: &mut Vec<u8>) {
        let is_named = &*self.call.stage.labels.stage_name != "$default";
        match self.call.arrival.address.form {
            AddressForm::Domain { .. } => out.extend_from_slice(self.call.path),
            AddressForm::DefaultHost | AddressForm::Path if is_named => self.write_path(out),
            AddressForm::DefaultHost | AddressForm::Path => out.extend_from_slice(self.call.path),
        }
    }

    /// As the client sees it, with the stage of a default endpoint.
    fn write_path(&self, out: &mut Vec<u8>) {
        match self.call.arrival.address.form {
            AddressForm::Path => {
                let stage_name = &*self.call.stage.labels.stage_name;
                // At its own host that stage is no part of the path.
                if stage_name != "$default" {
                    out.push(b'/');
                    out.extend_from_slice(stage_name.as_bytes());
                }
                out.extend_from_slice(self.call.path);
            }
            AddressForm::DefaultHost | AddressForm::Domain { .. } => {
                out.extend_from_slice(self.call.whole_path);
            }
        }
    }

    pub(super) fn route_key(&self) -> Option<&str> {
        let index = self.call.route_index? as usize;
        self.call.stage.labels.route_keys.get(index).map(|key| &**key)
    }

    fn write_domain(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> Option<()> {
        let AddressForm::Domain { base_path_bytes, rule_index, .. } =
            self.call.arrival.address.form
        else {
            return None;
        };
        if *variable == ContextVariable::RoutingRuleIdMatched {
            let id = self.call.plan.addresses.as_ref()?.rule_id(rule_index?)?;
            out.extend_from_slice(id.as_bytes());
            return Some(());
        }
        match self.call.whole_path.get(1..usize::from(base_path_bytes)) {
            Some(base_path) => out.extend_from_slice(base_path),
            None => out.extend_from_slice(b"(none)"),
        }
        Some(())
    }

    fn write_certificate(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> Option<()> {
        use ContextVariable as V;
        let certificate = self.call.client.tls?.client_certificate.as_deref()?;
        let text = match variable {
            V::ClientCertPem => &certificate.client_cert_pem,
            V::ClientCertSubject => &certificate.subject_dn,
            V::ClientCertIssuer => &certificate.issuer_dn,
            V::ClientCertSerialNumber => &certificate.serial_number,
            V::ClientCertNotBefore => &certificate.not_before,
            V::ClientCertNotAfter => &certificate.not_after,
            _ => return None,
        };
        out.extend_from_slice(text.as_bytes());
        Some(())
    }
}

/// Appends the values of a header; whether there is one.
fn write_fields(
    fields: &[Field],
    bytes: &[u8],
    (name, case): (&str, NameCase),
    pick: Pick,
    out: &mut Vec<u8>,
) -> bool {
    let is_named = |field: &&Field| match case {
        NameCase::Exact => field.name.of(bytes) == name.as_bytes(),
        NameCase::Ignored => field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()),
    };
    match pick {
        Pick::Last => match fields.iter().rev().find(is_named) {
            Some(field) => out.extend_from_slice(field.value.of(bytes)),
            None => return false,
        },
        Pick::Joined => {
            let values = fields.iter().filter(is_named).map(|field| field.value.of(bytes));
            return join(values, out, |value, out| out.extend_from_slice(value));
        }
    }
    true
}

/// Appends all values with commas between them; whether there is one.
fn join<'v>(
    values: impl Iterator<Item = &'v [u8]>,
    out: &mut Vec<u8>,
    write: impl Fn(&[u8], &mut Vec<u8>),
) -> bool {
    let mut found = false;
    for value in values {
        if found {
            out.push(b',');
        }
        found = true;
        write(value, out);
    }
    found
}
