//! Heads on their way through: the request's to the target, the answer's to the client.
//!
//! Field lines that need no change are copied in runs, as they lie in the read buffer; the parser
//! has checked them.

use std::net::IpAddr;

use super::client::Client;
use super::grpc::GrpcForm;
use super::request::Request;
use super::respond::{
    Persistence, REQUEST_ID_HEADER, without_port, write_number_line, write_request_id,
    write_template,
};
use crate::base::{Method, RequestId};
use crate::model::Forwarding;
use crate::plan::{HostProgram, PathProgram, PathSpans, ProxyPlan};
use crate::proto::uri::percent_encode;
use crate::proto::{BodyFraming, Field, FieldName, RequestHead, ResponseHead};

/// Everything that a request's head to the target is made of.
pub(crate) struct Outbound<'o> {
    pub(crate) request: &'o Request<'o>,
    pub(crate) client: &'o Client<'o>,
    pub(crate) proxy: &'o ProxyPlan,
    pub(crate) spans: &'o PathSpans,
    /// The path that was routed: base path and stage stripped.
    pub(crate) routed_path: &'o [u8],
    pub(crate) forwarding: &'o Forwarding,
    /// Ask the target to change protocols, as the client does.
    pub(crate) upgrade: bool,
    /// The target speaks HTTP/2, for which the text is translated.
    pub(crate) to_http2: bool,
    /// The form of gRPC-Web that is translated for the target.
    pub(crate) web: Option<GrpcForm>,
}

/// Appends the head for the target. `write_target_host` appends the target's own name.
pub(crate) fn write_request_head(
    out: &mut Vec<u8>,
    outbound: &Outbound<'_>,
    write_target_host: impl FnOnce(&mut Vec<u8>),
) {
    let Outbound { request, forwarding, .. } = *outbound;
    let (head, bytes) = (request.head, request.bytes);
    out.extend_from_slice(head.method_token.of(bytes));
    out.push(b' ');
    write_target(out, outbound);
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    match &outbound.proxy.host {
        HostProgram::AsReceived => out.extend_from_slice(request.authority()),
        HostProgram::Target => write_target_host(out),
        HostProgram::Fixed(host) => out.extend_from_slice(host),
    }
    out.extend_from_slice(b"\r\n");
    let trusted = outbound.client.listener.trusts(outbound.client.ip());
    let id_header = forwarding.request_id_header.as_deref().unwrap_or_default().as_bytes();
    copy_fields(out, &head.fields, bytes, |field| {
        if field.hop_by_hop {
            return false;
        }
        match field.known {
            FieldName::Host | FieldName::Expect | FieldName::ContentLength => false,
            FieldName::XForwardedFor => !forwarding.x_forwarded,
            FieldName::XForwardedProto | FieldName::XForwardedPort | FieldName::XForwardedHost => {
                !forwarding.x_forwarded || trusted
            }
            FieldName::Forwarded => !forwarding.forwarded,
            FieldName::Via => forwarding.via.is_none(),
            FieldName::ContentType => outbound.web.is_none(),
            // Any name may be set to carry the id, `X-Request-Id`, which is a known one, first of all.
            _ => {
                !is_named(field, bytes, id_header) && !is_certificate_header(field, bytes, outbound)
            }
        }
    });
    match head.framing {
        // How long the body is that gRPC-Web becomes, its end says.
        _ if outbound.web.is_some() => {
            let field = head.field(FieldName::ContentType);
            write_grpc_type(out, GrpcForm::Native, field, bytes);
        }
        framing => write_framing(out, framing),
    }
    write_client_lines(out, outbound, trusted);
    write_certificate_lines(out, outbound.client);
    if !id_header.is_empty() {
        write_line(out, id_header, &[request.id.as_bytes()]);
    }
    if outbound.to_http2 && (outbound.web.is_some() || takes_trailers(head, bytes)) {
        // Of the connection in HTTP/1, of the request in HTTP/2 (RFC 9113 section 8.2.2).
        out.extend_from_slice(b"te: trailers\r\n");
    }
    if outbound.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        copy_named(out, head, bytes, FieldName::Upgrade);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the field line that frames a body, if one does.
pub(super) fn write_framing(out: &mut Vec<u8>, framing: BodyFraming) {
    match framing {
        BodyFraming::Length(length) => write_number_line(out, b"content-length", length),
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
}

/// The content type that is `field`, in another form of gRPC.
fn write_grpc_type(out: &mut Vec<u8>, form: GrpcForm, field: Option<&Field>, bytes: &[u8]) {
    let rest = GrpcForm::of_field(field, bytes).map_or(&b""[..], |(_, rest)| rest);
    write_line(out, b"content-type", &[form.name(), rest]);
}

/// Whether the client says that it takes trailers.
fn takes_trailers(head: &RequestHead, bytes: &[u8]) -> bool {
    let lines = head.fields.iter().filter(|field| field.known == FieldName::Te);
    let mut codings = lines.flat_map(|field| field.value.of(bytes).split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn write_target(out: &mut Vec<u8>, outbound: &Outbound<'_>) {
    let request = outbound.request;
    if request.head.asterisk {
        out.push(b'*');
        return;
    }
    match &outbound.proxy.path {
        PathProgram::AsReceived if outbound.routed_path.is_empty() => out.push(b'/'),
        PathProgram::AsReceived => out.extend_from_slice(outbound.routed_path),
        PathProgram::Template(pieces) => {
            write_template(out, pieces, request, outbound.spans, outbound.routed_path);
        }
    }
    out.extend_from_slice(request.query());
}

/// `X-Forwarded-*`, `Forwarded` (RFC 7239) and `Via` (RFC 9110 section 7.6.3), by setting. What the
/// client sent of `-For`, `Forwarded` and `Via` is kept in front; of the others only what a trusted
/// proxy sent.
fn write_client_lines(out: &mut Vec<u8>, outbound: &Outbound<'_>, trusted: bool) {
    let Outbound { request, client, forwarding, .. } = *outbound;
    let (head, bytes) = (request.head, request.bytes);
    if forwarding.x_forwarded {
        out.extend_from_slice(b"x-forwarded-for: ");
        write_list_so_far(out, head, bytes, FieldName::XForwardedFor);
        write_client_ip(out, client.ip());
        out.extend_from_slice(b"\r\n");
        let kept = |name| trusted && head.field(name).is_some();
        if !kept(FieldName::XForwardedProto) && !kept(FieldName::XForwardedPort) {
            out.extend_from_slice(&client.listener.forwarded_lines);
        }
        if !kept(FieldName::XForwardedHost) && !request.authority().is_empty() {
            write_line(out, b"x-forwarded-host", &[request.authority()]);
        }
    }
    if forwarding.forwarded {
        out.extend_from_slice(b"forwarded: ");
        write_list_so_far(out, head, bytes, FieldName::Forwarded);
        out.extend_from_slice(b"for=");
        match client.ip() {
            IpAddr::V4(_) => write_client_ip(out, client.ip()),
            IpAddr::V6(_) => {
                out.extend_from_slice(b"\"[");
                write_client_ip(out, client.ip());
                out.extend_from_slice(b"]\"");
            }
        }
        let host = without_port(request.authority());
        if !host.is_empty() && !host.starts_with(b"[") {
            out.extend_from_slice(b";host=");
            out.extend_from_slice(host);
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(client.listener.scheme.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(pseudonym) = &forwarding.via {
        out.extend_from_slice(b"via: ");
        write_list_so_far(out, head, bytes, FieldName::Via);
        out.extend_from_slice(head.version.in_via().as_bytes());
        out.push(b' ');
        out.extend_from_slice(pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether only the gateway says what a client's certificate is, under this name.
fn is_certificate_header(field: &Field, bytes: &[u8], outbound: &Outbound<'_>) -> bool {
    let names = &outbound.client.listener.certificate_header_names;
    names.iter().any(|name| is_named(field, bytes, name.as_bytes()))
}

/// The client's certificate, for domains that tell their targets of it.
fn write_certificate_lines(out: &mut Vec<u8>, client: &Client<'_>) {
    let (Some(facts), Some(tls)) = (client.tls, &client.listener.tls) else { return };
    let (Some(certificate), Some(domain)) = (&facts.client_certificate, &facts.domain) else {
        return;
    };
    let Some(headers) = tls.certificate_headers.get(domain.index) else { return };
    let values = [
        (&headers.certificate, &certificate.client_cert_pem),
        (&headers.subject, &certificate.subject_dn),
    ];
    for (name, value) in values {
        if let Some(name) = name {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            percent_encode(value.as_bytes(), out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Everything that an answer's head to the client is made of.
pub(crate) struct Inbound<'i> {
    pub(crate) head: &'i ResponseHead,
    pub(crate) bytes: &'i [u8],
    pub(crate) request_method: Method,
    /// How the body is framed towards the client.
    pub(crate) framing: BodyFraming,
    pub(crate) id: RequestId,
    pub(crate) persistence: Persistence,
    pub(crate) via: Option<&'i str>,
    /// The form of gRPC-Web that the answer is translated to.
    pub(crate) web: Option<GrpcForm>,
}

/// Appends the head of a final answer (or of a 101) for the client.
pub(crate) fn write_response_head(out: &mut Vec<u8>, inbound: &Inbound<'_>) {
    let Inbound { head, bytes, .. } = *inbound;
    write_status_line(out, head, bytes);
    // To HEAD and with 304 the length says what a GET would have got; with 1xx and 204 it must not
    // be sent (RFC 9110 section 8.6).
    let keeps_length = inbound.framing == BodyFraming::None
        && (inbound.request_method == Method::Head || head.status == 304);
    copy_fields(out, &head.fields, bytes, |field| match field.known {
        FieldName::ContentLength => keeps_length,
        FieldName::Via => inbound.via.is_none(),
        FieldName::ContentType => inbound.web.is_none(),
        FieldName::Other => !field.hop_by_hop && !is_named(field, bytes, REQUEST_ID_HEADER),
        _ => !field.hop_by_hop,
    });
    write_framing(out, inbound.framing);
    if let Some(form) = inbound.web {
        write_grpc_type(out, form, head.field(FieldName::ContentType), bytes);
    }
    if let Some(pseudonym) = inbound.via {
        out.extend_from_slice(b"via: ");
        for field in head.fields.iter().filter(|field| field.known == FieldName::Via) {
            out.extend_from_slice(field.value.of(bytes));
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(head.version.in_via().as_bytes());
        out.push(b' ');
        out.extend_from_slice(pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    write_request_id(out, inbound.id);
    if head.status == 101 {
        out.extend_from_slice(b"connection: upgrade\r\n");
        for field in head.fields.iter().filter(|field| field.known == FieldName::Upgrade) {
            write_line(out, b"upgrade", &[field.value.of(bytes)]);
        }
    } else {
        out.extend_from_slice(inbound.persistence.line());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of an interim answer (RFC 9110 section 15.2), which has no body.
pub(crate) fn write_interim_head(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    write_status_line(out, head, bytes);
    copy_fields(out, &head.fields, bytes, |field| {
        !field.hop_by_hop && field.known != FieldName::ContentLength
    });
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason.of(bytes));
    out.extend_from_slice(b"\r\n");
}

/// Copies the field lines that `wanted` keeps, neighbours in one go. Lines lie one after the other:
/// a line ends where the next name begins, and the last one before the empty line.
pub(super) fn copy_fields(
    out: &mut Vec<u8>,
    fields: &[Field],
    bytes: &[u8],
    mut wanted: impl FnMut(&Field) -> bool,
) {
    let end_of_fields = bytes.len().saturating_sub(2);
    let mut run: Option<usize> = None;
    for field in fields {
        let start = field.name.range().start;
        if wanted(field) {
            run.get_or_insert(start);
        } else if let Some(run_start) = run.take() {
            out.extend_from_slice(bytes.get(run_start..start).unwrap_or_default());
        }
    }
    if let Some(run_start) = run {
        out.extend_from_slice(bytes.get(run_start..end_of_fields).unwrap_or_default());
    }
}

fn copy_named(out: &mut Vec<u8>, head: &RequestHead, bytes: &[u8], name: FieldName) {
    for field in head.fields.iter().filter(|field| field.known == name) {
        write_line(out, field.name.of(bytes), &[field.value.of(bytes)]);
    }
}

/// The values of a list field so far, each followed by a comma.
pub(super) fn write_list_so_far(
    out: &mut Vec<u8>,
    head: &RequestHead,
    bytes: &[u8],
    name: FieldName,
) {
    for field in head.fields.iter().filter(|field| field.known == name) {
        let value = field.value.of(bytes);
        if !value.is_empty() {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
}

/// Appends `name: value CRLF`.
pub(super) fn field_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    write_line(out, name, &[value]);
}

fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[&[u8]]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    for part in value {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn is_named(field: &Field, bytes: &[u8], name: &[u8]) -> bool {
    field.name.of(bytes).eq_ignore_ascii_case(name)
}

/// An address as text; IPv4 without `format!`, as nearly all are.
pub(super) fn write_client_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(ip) => out.extend_from_slice(ip.to_string().as_bytes()),
    }
}
