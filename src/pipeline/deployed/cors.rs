//! Cross-origin requests to HTTP APIs ("Configuring CORS for an HTTP API").

use super::super::forward::field_line;
use super::super::respond::{Persistence, write_request_id};
use super::facts::Call;
use crate::base::Method;
use crate::plan::deployed::{CorsPlan, Dialect};
use crate::proto::FieldName;

/// Whether a browser asks what it may do: the gateway answers, whatever routes there are.
pub(in crate::pipeline) fn is_preflight(call: &Call<'_>) -> bool {
    call.method == Method::Options
        && matches!(&call.deployed.dialect, Dialect::Http(Some(_)))
        && call.header(FieldName::Origin).is_some()
        && call.header(FieldName::AccessControlRequestMethod).is_some()
}

/// Appends the whole answer to a preflight. For an origin that is not allowed it says nothing, which
/// a browser takes for no.
pub(in crate::pipeline) fn write_preflight(
    call: &Call<'_>,
    persistence: Persistence,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 204 No Content\r\ndate: ");
    out.extend_from_slice(&call.state.http_date());
    out.extend_from_slice(b"\r\n");
    if let Some((cors, origin)) = allowed(call) {
        write_origin(cors, origin, out);
        for (name, list) in [
            (&b"access-control-allow-methods"[..], &cors.allow_methods),
            (b"access-control-allow-headers", &cors.allow_headers),
        ] {
            if !list.is_empty() {
                field_line(out, name, list.as_bytes());
            }
        }
        if let Some(max_age_s) = cors.max_age_s {
            let text = itoa::Buffer::new().format(max_age_s).to_owned();
            field_line(out, b"access-control-max-age", text.as_bytes());
        }
    }
    write_request_id(out, call.request.id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
}

/// Appends what an answer tells a browser of another origin.
pub(super) fn write_cors(call: &Call<'_>, out: &mut Vec<u8>) {
    if let Some((cors, origin)) = allowed(call) {
        write_origin(cors, origin, out);
        if !cors.expose_headers.is_empty() {
            field_line(out, b"access-control-expose-headers", cors.expose_headers.as_bytes());
        }
    }
}

/// Whether the gateway alone says what other origins may do.
pub(super) fn is_configured(call: &Call<'_>) -> bool {
    matches!(&call.deployed.dialect, Dialect::Http(Some(_)))
}

fn allowed<'c>(call: &Call<'c>) -> Option<(&'c CorsPlan, &'c [u8])> {
    let Dialect::Http(Some(cors)) = &call.deployed.dialect else { return None };
    let origin = call.header(FieldName::Origin)?;
    cors.allows(origin).then_some((cors, origin))
}

fn write_origin(cors: &CorsPlan, origin: &[u8], out: &mut Vec<u8>) {
    let is_any = cors.allow_origins.iter().any(|one| &**one == "*");
    field_line(out, b"access-control-allow-origin", if is_any { b"*" } else { origin });
    if !is_any {
        field_line(out, b"vary", b"Origin");
    }
    if cors.allow_credentials {
        field_line(out, b"access-control-allow-credentials", b"true");
    }
}

/// Whether it is one of the fields that an API's configuration sets.
pub(super) fn is_of_cors(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"access-control-";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
