//! Field lines by AWS's rules: which of a request's an integration gets, and which of an answer's the
//! client gets under another name.

use super::super::forward::{field_line, write_client_ip, write_list_so_far};
use super::facts::Call;
use crate::proto::{Field, FieldName, RequestHead};

/// Whether a client's field is for the gateway alone: dropped on entry, or never sent to an endpoint.
/// `Host` and the fields that frame a body are written anew.
pub(super) fn is_dropped(field: &Field, bytes: &[u8]) -> bool {
    if field.hop_by_hop {
        return true;
    }
    match field.known {
        FieldName::Host
        | FieldName::ContentLength
        | FieldName::Expect
        | FieldName::MaxForwards
        | FieldName::Server
        | FieldName::Trailer
        | FieldName::WwwAuthenticate
        | FieldName::Via
        | FieldName::XAmznTraceId
        | FieldName::XForwardedFor
        | FieldName::XForwardedPort
        | FieldName::XForwardedProto => true,
        FieldName::ContentEncoding => is_identity(field, bytes),
        FieldName::Authorization => is_signature(field.value.of(bytes)),
        FieldName::Other => {
            let name = field.name.of(bytes);
            name.eq_ignore_ascii_case(b"content-md5")
                || name.eq_ignore_ascii_case(b"x-http-method-override")
                || name.eq_ignore_ascii_case(b"x-amzn-apigateway-api-id")
        }
        _ => false,
    }
}

/// Whether it says that nothing was done to a body. Amazon's own gateway decodes what was encoded and
/// drops the field; what passes here is encoded as it was, and must say so.
pub(super) fn is_identity(field: &Field, bytes: &[u8]) -> bool {
    field.known == FieldName::ContentEncoding
        && field.value.of(bytes).eq_ignore_ascii_case(b"identity")
}

/// A signature is over this request, and none of the one that is sent on.
pub(super) fn is_signature(value: &[u8]) -> bool {
    value.starts_with(b"AWS4-HMAC-SHA256") || value.starts_with(b"AWS4-ECDSA-P256-SHA256")
}

/// Appends `X-Forwarded-For`, `-Port` and `-Proto`, but for those that `is_mapped` names. What trusted
/// proxies say of the last two is kept.
pub(super) fn write_forwarded(
    call: &Call<'_>,
    is_mapped: impl Fn(&[u8]) -> bool,
    out: &mut Vec<u8>,
) {
    if call.state.trial.is_some() {
        return; // it comes from nobody
    }
    let (request, client) = (call.request, call.client);
    let (head, bytes) = (request.head, request.bytes);
    if !is_mapped(b"x-forwarded-for") {
        out.extend_from_slice(b"X-Forwarded-For: ");
        write_list_so_far(out, head, bytes, FieldName::XForwardedFor);
        write_client_ip(out, client.ip());
        out.extend_from_slice(b"\r\n");
    }
    let trusted = client.listener.trusts(client.ip());
    let told = |name| trusted.then(|| head.field(name)).flatten();
    let (port, proto) = (told(FieldName::XForwardedPort), told(FieldName::XForwardedProto));
    let port = port.map_or(client.listener.port.as_bytes(), |field| field.value.of(bytes));
    if !port.is_empty() && !is_mapped(b"x-forwarded-port") {
        field_line(out, b"X-Forwarded-Port", port);
    }
    if !is_mapped(b"x-forwarded-proto") {
        let proto = proto.map_or(client.listener.scheme.as_bytes(), |field| field.value.of(bytes));
        field_line(out, b"X-Forwarded-Proto", proto);
    }
}

/// Whether the request has a field of this name.
pub(super) fn has(head: &RequestHead, name: FieldName) -> bool {
    head.field(name).is_some()
}

/// The name under which a client gets a field of an integration's answer, where AWS has another for
/// it ("Amazon API Gateway important notes").
pub(super) fn remapped(name: &[u8], known: FieldName) -> Option<&'static [u8]> {
    Some(match known {
        FieldName::Authorization => b"x-amzn-Remapped-Authorization",
        FieldName::Connection => b"x-amzn-Remapped-Connection",
        FieldName::ContentLength => b"x-amzn-Remapped-Content-Length",
        FieldName::Date => b"x-amzn-Remapped-Date",
        FieldName::MaxForwards => b"x-amzn-Remapped-Max-Forwards",
        FieldName::Server => b"x-amzn-Remapped-Server",
        FieldName::UserAgent => b"x-amzn-Remapped-User-Agent",
        FieldName::WwwAuthenticate => b"x-amzn-Remapped-WWW-Authenticate",
        FieldName::XAmznRequestId => b"x-amzn-Remapped-x-amzn-RequestId",
        FieldName::Other if name.eq_ignore_ascii_case(b"content-md5") => {
            b"x-amzn-Remapped-Content-MD5"
        }
        _ => return None,
    })
}

/// The same where a mapping sets the field: the name keeps it, where an answer that passes loses it.
pub(super) fn remapped_by_mapping(name: &[u8], known: FieldName) -> Option<&'static [u8]> {
    match known {
        FieldName::Expect => Some(b"x-amzn-Remapped-Expect"),
        FieldName::Host => Some(b"x-amzn-Remapped-Host"),
        FieldName::ProxyAuthenticate => Some(b"x-amzn-Remapped-Proxy-Authenticate"),
        FieldName::Trailer => Some(b"x-amzn-Remapped-Trailer"),
        FieldName::Upgrade => Some(b"x-amzn-Remapped-Upgrade"),
        _ => remapped(name, known),
    }
}

/// Whether a field of an answer that passes is for the gateway alone. `Host` and `Expect` belong to
/// requests; what an integration says of its trailers or its hops is not told.
pub(super) fn is_dropped_from_answer(field: &Field, bytes: &[u8]) -> bool {
    field.hop_by_hop
        || is_identity(field, bytes)
        || match field.known {
            FieldName::Expect | FieldName::Host | FieldName::Trailer | FieldName::Via => true,
            FieldName::Other => field.name.of(bytes).eq_ignore_ascii_case(b"x-amz-apigw-id"),
            _ => false,
        }
}

/// Whether the gateway alone says a field in its own answers: once, and as it is.
pub(super) fn is_said_by_gateway(name: &[u8]) -> bool {
    let known = FieldName::of(name);
    known.is_hop_by_hop()
        || match known {
            FieldName::ContentLength
            | FieldName::Date
            | FieldName::Trailer
            | FieldName::XAmznRequestId => true,
            FieldName::Other => [&b"x-amz-apigw-id"[..], b"x-amzn-errortype"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own)),
            _ => false,
        }
}
