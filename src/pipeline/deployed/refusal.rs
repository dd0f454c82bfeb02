//! Why a request of a deployed API gets no integration's answer, in the words of the API's kind:
//! gateway responses of REST APIs, plain errors of HTTP APIs.

use super::super::forward::field_line;
use super::super::respond::{Persistence, fault_message, write_number_line, write_request_id};
use super::cors::write_cors;
use super::facts::{Call, CallFacts, ErrorFacts};
use super::headers::is_said_by_gateway;
use super::rest_answer::{has_line, write_status};
use crate::base::{Fault, RequestId, write_json_string};
use crate::expr::Scratch;
use crate::model::ApiProtocol;
use crate::model::rest_api::{DefaultMessage, GatewayResponseType};
use crate::plan::deployed::{Dialect, GatewayResponsePlan, GatewayResponsesPlan};

/// A request that is refused.
pub(in crate::pipeline) struct Refusal<'r> {
    pub(in crate::pipeline) fault: Fault,
    /// What there is to say of it, for the client or for the log.
    pub(in crate::pipeline) detail: Option<&'r str>,
    /// The request, if it came as far as a stage.
    pub(in crate::pipeline) call: Option<&'r Call<'r>>,
    /// The kind of the API; a request to none is told so as by a REST API.
    pub(in crate::pipeline) protocol: ApiProtocol,
    pub(in crate::pipeline) uuid: &'r [u8; 36],
    pub(in crate::pipeline) id: RequestId,
    pub(in crate::pipeline) http_date: [u8; 29],
}

/// Appends the whole answer; its status, and how long its body is.
pub(in crate::pipeline) fn write_refusal(
    refusal: &Refusal<'_>,
    persistence: Persistence,
    has_body: bool,
    out: &mut Vec<u8>,
) -> (u16, usize) {
    let mut body = Vec::new();
    let status = match refusal.protocol {
        ApiProtocol::Rest | ApiProtocol::WebSocket => refusal.write_rest(&mut body, out),
        ApiProtocol::Http => refusal.write_http(&mut body, out),
    };
    // What an API makes of its refusals may be an answer that has no body.
    let may_have_body = !matches!(status, 204 | 304);
    if may_have_body {
        write_number_line(out, b"Content-Length", body.len() as u64);
    }
    let has_body = has_body && may_have_body;
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    if has_body {
        out.extend_from_slice(&body);
    }
    (status, if has_body { body.len() } else { 0 })
}

impl Refusal<'_> {
    fn write_rest(&self, body: &mut Vec<u8>, out: &mut Vec<u8>) -> u16 {
        let told = RestRefusal::of(self.fault);
        let message = self.message(&told);
        let set = self.call.and_then(|call| match &call.deployed.dialect {
            Dialect::Rest(responses) => told.response_type.and_then(|of| find(responses, of)),
            Dialect::Http(_) => None,
        });
        let status = set.and_then(|set| set.status).unwrap_or(told.status);
        write_status(out, status);
        field_line(out, b"Date", &self.http_date);
        let start = out.len();
        let content_type = match (set, self.call) {
            (Some(set), Some(call)) => write_set(set, call, &told, message, body, out),
            _ => None,
        };
        if content_type.is_none() {
            write_default(told.response_type, (self.fault, message), body);
        }
        if !has_line(&out[start..], b"content-type") {
            let content_type = content_type.unwrap_or("application/json");
            field_line(out, b"Content-Type", content_type.as_bytes());
        }
        field_line(out, b"x-amzn-RequestId", self.uuid);
        field_line(out, b"x-amzn-ErrorType", told.error_type.as_bytes());
        field_line(out, b"x-amz-apigw-id", self.id.as_bytes());
        status
    }

    fn message(&self, told: &RestRefusal) -> Option<&str> {
        let is_for_client =
            matches!(self.fault, Fault::MissingParameters | Fault::BadJson | Fault::NotAvailable);
        if is_for_client && let Some(detail) = self.detail {
            return Some(detail);
        }
        if let Some(message) = told.message {
            return Some(message);
        }
        match told.response_type.map(GatewayResponseType::default_message) {
            Some(DefaultMessage::Text(text)) => Some(text),
            Some(DefaultMessage::Null) => None,
            Some(DefaultMessage::OfRequest) | None => Some(fault_message(self.fault)),
        }
    }

    fn write_http(&self, body: &mut Vec<u8>, out: &mut Vec<u8>) -> u16 {
        let status = http_status(self.fault);
        let message = match (status, self.fault) {
            (_, Fault::NotAvailable) => self.detail.unwrap_or("Not Implemented"),
            (503, _) => "Service Unavailable",
            (500, _) => "Internal Server Error",
            _ => fault_message(self.fault),
        };
        write_status(out, status);
        field_line(out, b"Date", &self.http_date);
        field_line(out, b"Content-Type", b"application/json");
        if let Some(call) = self.call {
            write_cors(call, out);
        }
        write_request_id(out, self.id);
        body.extend_from_slice(b"{\"message\":");
        write_json_string(body, message.as_bytes());
        body.push(b'}');
        status
    }
}

/// Appends the headers that a gateway response sets, and makes its body; the type of the body, if a
/// template made it.
fn write_set<'s>(
    set: &'s GatewayResponsePlan,
    call: &Call<'_>,
    told: &RestRefusal,
    message: Option<&str>,
    body: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Option<&'s str> {
    let response_type = told.response_type.map_or("", GatewayResponseType::name);
    let error = Some(ErrorFacts { message, response_type });
    let facts = CallFacts { error, ..CallFacts::new(call, None) };
    let mut scratch = Scratch::new();
    let headers = set.headers.headers().iter();
    for header in headers.filter(|header| !is_said_by_gateway(header.name().as_bytes())) {
        let start = out.len();
        out.extend_from_slice(header.name().as_bytes());
        out.extend_from_slice(b": ");
        match header.write_fit_value(&facts, &mut scratch, out) {
            true => out.extend_from_slice(b"\r\n"),
            false => out.truncate(start),
        }
    }
    let (content_type, template) = set.template(call.accept())?;
    template.write(&facts, &mut scratch, body);
    Some(content_type)
}

/// AWS's own body. What ends a request at its integration is told with a blank that other errors do
/// not have.
fn write_default(
    response_type: Option<GatewayResponseType>,
    (fault, message): (Fault, Option<&str>),
    body: &mut Vec<u8>,
) {
    use GatewayResponseType as Type;
    let name: &[u8] = match response_type {
        Some(Type::AccessDenied) => b"{\"Message\":",
        Some(Type::ApiConfigurationError | Type::IntegrationFailure | Type::IntegrationTimeout) => {
            b"{\"message\": "
        }
        Some(_) if fault == Fault::FunctionFailed => b"{\"message\": ",
        _ => b"{\"message\":",
    };
    body.extend_from_slice(name);
    match message {
        Some(message) => write_json_string(body, message.as_bytes()),
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
}

/// What is set for a type, or else for all types of its class.
fn find(
    responses: &GatewayResponsesPlan,
    response_type: GatewayResponseType,
) -> Option<&GatewayResponsePlan> {
    if !response_type.is_customizable() {
        return None;
    }
    let fallback = || responses.find(response_type.fallback()?);
    responses.find(response_type).or_else(fallback)
}

/// How a REST API tells a fault.
struct RestRefusal {
    /// `None` for what no API can set.
    response_type: Option<GatewayResponseType>,
    status: u16,
    error_type: &'static str,
    /// In place of the type's own.
    message: Option<&'static str>,
}

impl RestRefusal {
    fn of(fault: Fault) -> Self {
        use GatewayResponseType as Type;
        let (response_type, message) = match fault {
            Fault::NotFound => (Type::MissingAuthenticationToken, None),
            Fault::Throttled { .. } => (Type::Throttled, None),
            Fault::MissingParameters => (Type::BadRequestParameters, None),
            Fault::BadJson => (Type::BadRequestBody, Some("Invalid JSON in request body")),
            Fault::UnsupportedMediaType => (Type::UnsupportedMediaType, None),
            Fault::BodyTooLarge => (Type::RequestTooLarge, None),
            // Without an address there is no endpoint: AWS takes its name for a mistake of the API's.
            Fault::ApiConfiguration | Fault::NoHealthyTarget => (Type::ApiConfigurationError, None),
            Fault::UpstreamTimeout => (Type::IntegrationTimeout, None),
            Fault::BadUpstreamAnswer => (Type::IntegrationFailure, None),
            Fault::ConnectFailed | Fault::ConnectTimeout | Fault::UpstreamReset => {
                (Type::IntegrationFailure, Some("Network error communicating with endpoint"))
            }
            Fault::InvocationRefused => (Type::IntegrationFailure, Some("Internal server error")),
            other => return Self::without_type(other),
        };
        // A failure of the integration is a 504, but for one that is none of the network.
        let is_typed = fault != Fault::InvocationRefused;
        let status = response_type.default_status().filter(|_| is_typed);
        Self {
            response_type: Some(response_type),
            status: status.unwrap_or_else(|| fault.status()),
            error_type: response_type.error_type().unwrap_or("InternalServerErrorException"),
            message,
        }
    }

    /// What AWS has no type for: the default of its class counts, but for an endpoint that is none.
    fn without_type(fault: Fault) -> Self {
        let status = fault.status();
        let is_client = status < 500;
        let class = match is_client {
            true => GatewayResponseType::Default4xx,
            false => GatewayResponseType::Default5xx,
        };
        let is_closed = matches!(fault, Fault::EndpointRefused | Fault::ClientCertificateRefused);
        let error_type = match fault {
            _ if is_closed => "ForbiddenException",
            Fault::NotAvailable => "NotImplementedException",
            _ if is_client => "BadRequestException",
            _ => "InternalServerErrorException",
        };
        let is_ours = matches!(fault, Fault::Panicked | Fault::FunctionFailed);
        let message = is_ours.then_some("Internal server error");
        let response_type = (!is_closed).then_some(class);
        Self { response_type, status, error_type, message }
    }
}

/// The status by which an HTTP API tells a fault: it has one for all that an integration does wrong.
fn http_status(fault: Fault) -> u16 {
    match fault {
        Fault::ConnectFailed
        | Fault::ConnectTimeout
        | Fault::UpstreamReset
        | Fault::UpstreamTimeout
        | Fault::BadUpstreamAnswer
        | Fault::NoHealthyTarget
        | Fault::CircuitOpen => 503,
        Fault::FunctionFailed => 500,
        other => other.status(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(protocol: ApiProtocol, fault: Fault) -> String {
        let mut out = Vec::new();
        let refusal = Refusal {
            fault,
            detail: None,
            call: None,
            protocol,
            uuid: b"00000000-0000-4000-8000-000000000000",
            id: crate::base::RequestIdSource::new([1, 2]).next_id(),
            http_date: *b"Fri, 20 Nov 2026 11:00:00 GMT",
        };
        write_refusal(&refusal, Persistence::Persist, true, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn every_fault_is_told_whole_by_each_kind_of_api() {
        for protocol in [ApiProtocol::Rest, ApiProtocol::Http] {
            for fault in Fault::PLAIN {
                let text = told(protocol, *fault);
                let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                assert_eq!(length.and_then(|one| one.parse().ok()), Some(body.len()), "{text}");
                let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
                assert!(body.get("message").is_some(), "{text}");
            }
        }
    }

    #[test]
    fn rest_apis_have_their_own_words() {
        let text = told(ApiProtocol::Rest, Fault::NotFound);
        assert!(text.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{text}");
        assert!(text.contains("\r\nx-amzn-ErrorType: MissingAuthenticationTokenException\r\n"));
        assert!(text.ends_with("\r\n\r\n{\"message\":\"Missing Authentication Token\"}"));
        let text = told(ApiProtocol::Rest, Fault::UpstreamTimeout);
        assert!(text.starts_with("HTTP/1.1 504 "));
        assert!(text.ends_with("{\"message\": \"Endpoint request timed out\"}"));
        for fault in [Fault::ApiConfiguration, Fault::NoHealthyTarget] {
            let text = told(ApiProtocol::Rest, fault);
            assert!(text.starts_with("HTTP/1.1 500 "), "{text}");
            assert!(text.ends_with("{\"message\": \"Internal server error\"}"), "{text}");
        }
        let text = told(ApiProtocol::Rest, Fault::ConnectFailed);
        assert!(text.starts_with("HTTP/1.1 504 "), "{text}");
    }

    #[test]
    fn http_apis_have_one_status_for_all_that_integrations_do() {
        for fault in [Fault::UpstreamTimeout, Fault::ConnectFailed, Fault::BadUpstreamAnswer] {
            let text = told(ApiProtocol::Http, fault);
            assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
            assert!(text.ends_with("{\"message\":\"Service Unavailable\"}"));
        }
        let text = told(ApiProtocol::Http, Fault::NotFound);
        assert!(text.starts_with("HTTP/1.1 404 ") && text.contains("\r\napigw-requestid: "));
    }
}
