//! Keeps web pages out of the admin listener.
//!
//! A browser on the same machine reaches loopback for any page that it shows. Two ways lead in,
//! and both are closed: a request to this address from another origin (told by `Origin` and
//! `Sec-Fetch-Site`), and a name of the attacker's that resolves to this address (DNS rebinding),
//! whose requests look same-origin and are told by their Host alone.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::answer::Refusal;
use crate::model::ListenerAddress;

/// What is believed of a request, by where the listener is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::control) enum Guard {
    /// Loopback: everyone who means it calls it by an address or `localhost`.
    Loopback,
    /// An address that other machines reach: it may have any name, but no page may call it.
    Remote,
    /// A unix socket: browsers do not reach it, and Host means nothing.
    Unix,
}

impl Guard {
    /// The guard of a listener at `address`.
    pub(in crate::control) fn of(address: &ListenerAddress) -> Self {
        match address {
            ListenerAddress::Unix(_) => Self::Unix,
            ListenerAddress::Tcp(address) if address.ip().to_canonical().is_loopback() => {
                Self::Loopback
            }
            ListenerAddress::Tcp(_) => Self::Remote,
        }
    }

    /// The reason for a refusal, if it is one.
    pub(in crate::control) fn judge(
        self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), &'static str> {
        if self == Self::Unix {
            return Ok(());
        }
        let host = match headers.get(HOST) {
            Some(host) => Some(host.to_str().map_err(|_| "Host is not text")?),
            None => uri.host(),
        };
        if self == Self::Loopback && host.is_some_and(|host| !is_local_name(host)) {
            return Err("Host is neither an IP address nor localhost");
        }
        let is_from_elsewhere = |origin: &[u8]| {
            let origin = std::str::from_utf8(origin).unwrap_or("null");
            origin.split_once("://").map(|(_, origin_host)| origin_host) != host
        };
        if headers.get(ORIGIN).is_some_and(|origin| is_from_elsewhere(origin.as_bytes())) {
            return Err("the request comes from a page of another origin");
        }
        match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) => Err("the request comes from a page of another site"),
        }
    }
}

/// Whether a Host is an address or `localhost`, with or without port.
fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// The middleware.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.judge(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Refusal::new(StatusCode::FORBIDDEN, "forbidden", reason).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use axum::http::HeaderValue;

    use super::*;

    fn judge(guard: Guard, fields: &[(&str, &str)]) -> bool {
        let fields = fields.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        });
        guard.judge(&Uri::from_static("/metrics"), &fields.collect()).is_ok()
    }

    #[test]
    fn loopback_is_called_by_address_or_localhost() {
        for host in ["127.0.0.1:9901", "localhost:9901", "LOCALHOST", "[::1]:9901", "[::1]"] {
            assert!(judge(Guard::Loopback, &[("host", host)]), "{host}");
        }
        for host in ["evil.example:9901", "localhost.evil.example", "127.0.0.1.nip.io", "[x", ""] {
            assert!(!judge(Guard::Loopback, &[("host", host)]), "{host}");
        }
        assert!(judge(Guard::Remote, &[("host", "gateway-7.internal:9901")]));
        assert!(judge(Guard::Unix, &[("host", "anything")]));
        assert!(judge(Guard::Loopback, &[]), "HTTP/1.0 without Host is no browser");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for guard in [Guard::Loopback, Guard::Remote] {
            let with = |name, value| judge(guard, &[("host", "127.0.0.1:9901"), (name, value)]);
            assert!(with("origin", "http://127.0.0.1:9901"));
            assert!(!with("origin", "http://127.0.0.1:3000"));
            assert!(!with("origin", "https://evil.example"));
            assert!(!with("origin", "null"));
            assert!(with("sec-fetch-site", "none"));
            assert!(!with("sec-fetch-site", "cross-site"));
            assert!(!with("sec-fetch-site", "same-site"));
        }
    }
}
