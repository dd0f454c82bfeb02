//! What a line can say about one request, and how each variable says it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::clf_time::ClfClock;
use super::escape::Escape;
use super::variable::Variable;
use crate::base::{Blame, Fault, Nanos, RequestId};
use crate::observe::fault_text::{fault_text, gateway_response_type};
use crate::tls::ClientCertificate;
use crate::transport::TlsFacts;

/// One request that has ended. Borrows; nothing is copied before it is rendered. An empty text
/// and a `None` render `-`.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// The gateway's id of the request.
    pub request_id: RequestId,
    /// The id by which REST APIs know it too, which is `$context.requestId` then.
    pub request_uuid: Option<&'a str>,
    /// The number of the client's connection on its shard.
    pub connection_id: Option<u64>,
    /// The client, after trusted proxies were believed; none on a unix socket.
    pub source_ip: Option<IpAddr>,
    /// The method as it came; empty if no request line was understood.
    pub method: &'a [u8],
    /// The path as it came, without query.
    pub path: &'a [u8],
    /// The query without `?`.
    pub query: Option<&'a [u8]>,
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// The Host that the client sent.
    pub host: &'a [u8],
    /// The User-Agent that the client sent.
    pub user_agent: Option<&'a [u8]>,
    /// The API that answered to the host.
    pub api_id: Option<&'a str>,
    /// The stage.
    pub stage: Option<&'a str>,
    /// The route key as written.
    pub route_key: Option<&'a str>,
    /// The status that the client saw, or would have seen.
    pub status: u16,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// When the request began, in milliseconds since 1970.
    pub request_time_unix_ms: u64,
    /// From the request's first byte to the answer's last.
    pub latency: Nanos,
    /// The integration's part of it, if one was asked.
    pub integration_latency: Option<Nanos>,
    /// The integration's status, if it answered.
    pub integration_status: Option<u16>,
    /// The target that was asked last.
    pub target: Option<&'a str>,
    /// What was negotiated, over TLS.
    pub tls: Option<&'a TlsFacts>,
    /// Why the integration did not answer.
    pub fault: Option<Fault>,
    /// The message of the gateway error that the client saw.
    pub error_message: Option<&'a str>,
}

impl AccessRecord<'_> {
    /// Appends the value of `variable`.
    #[inline]
    pub(super) fn write(
        &self,
        variable: Variable,
        escape: Escape,
        clock: &ClfClock,
        out: &mut Vec<u8>,
    ) {
        match variable {
            Variable::Absent => out.extend_from_slice(escape.absent()),
            Variable::ApiId => write_own(self.api_id, escape, out),
            Variable::ConnectionId => write_number(self.connection_id, escape, out),
            Variable::DataProcessed => {
                write_number(
                    Some(self.request_bytes.saturating_add(self.response_bytes)),
                    escape,
                    out,
                );
            }
            Variable::DomainName => write_text(self.host, escape, out),
            Variable::DomainPrefix => write_text(first_label(self.host), escape, out),
            Variable::ErrorMessage => write_own(self.error_message, escape, out),
            Variable::ErrorMessageString => {
                let escape = if escape == Escape::Xml { Escape::Xml } else { Escape::Quoted };
                out.push(b'"');
                write_own(self.error_message, escape, out);
                out.push(b'"');
            }
            Variable::ErrorResponseType => {
                write_own(self.fault.map(gateway_response_type), escape, out);
            }
            Variable::HttpMethod => write_text(self.method, escape, out),
            Variable::SourceIp => write_ip(self.source_ip, escape, out),
            Variable::UserAgent => write_text(self.user_agent.unwrap_or_default(), escape, out),
            Variable::IntegrationError => {
                let of_target = self.fault.filter(|fault| fault.blame() == Blame::Upstream);
                write_own(of_target.map(fault_text), escape, out);
            }
            Variable::IntegrationLatency => {
                write_number(self.integration_latency.map(Nanos::as_millis), escape, out);
            }
            Variable::IntegrationStatus => {
                write_number(self.integration_status.map(u64::from), escape, out);
            }
            Variable::Path => write_text(self.path, escape, out),
            Variable::Protocol => write_own(Some(self.protocol), escape, out),
            Variable::TlsVersion => write_own(self.tls.map(|tls| tls.version), escape, out),
            Variable::CipherSuite => write_own(self.tls.map(|tls| tls.suite), escape, out),
            Variable::ClientCertPem => {
                self.write_certificate(|one| &one.client_cert_pem, escape, out)
            }
            Variable::ClientCertSubject => {
                self.write_certificate(|one| &one.subject_dn, escape, out)
            }
            Variable::ClientCertIssuer => self.write_certificate(|one| &one.issuer_dn, escape, out),
            Variable::ClientCertSerialNumber => {
                self.write_certificate(|one| &one.serial_number, escape, out);
            }
            Variable::ClientCertNotBefore => {
                self.write_certificate(|one| &one.not_before, escape, out);
            }
            Variable::ClientCertNotAfter => {
                self.write_certificate(|one| &one.not_after, escape, out);
            }
            Variable::RequestId => match self.request_uuid {
                Some(uuid) => out.extend_from_slice(uuid.as_bytes()),
                None => out.extend_from_slice(self.request_id.as_bytes()),
            },
            Variable::ExtendedRequestId => out.extend_from_slice(self.request_id.as_bytes()),
            Variable::RequestTime => {
                out.extend_from_slice(&clock.text(self.request_time_unix_ms));
            }
            Variable::RequestTimeEpoch => {
                write_number(Some(self.request_time_unix_ms), escape, out)
            }
            Variable::ResourcePath => write_own(self.route_key.map(resource_path), escape, out),
            Variable::ResponseLatency => write_number(Some(self.latency.as_millis()), escape, out),
            Variable::ResponseLength => write_number(Some(self.response_bytes), escape, out),
            Variable::RouteKey => write_own(self.route_key, escape, out),
            Variable::Stage => write_own(self.stage, escape, out),
            Variable::Status => write_number(Some(u64::from(self.status)), escape, out),
            Variable::Cause => write_own(self.fault.map(Fault::cause), escape, out),
            Variable::Query => write_text(self.query.unwrap_or_default(), escape, out),
            Variable::RequestLength => write_number(Some(self.request_bytes), escape, out),
            Variable::Target => write_own(self.target, escape, out),
        }
    }

    /// Appends what a client's certificate says, which is the client's own word.
    fn write_certificate(
        &self,
        pick: impl FnOnce(&ClientCertificate) -> &str,
        escape: Escape,
        out: &mut Vec<u8>,
    ) {
        let certificate = self.tls.and_then(|tls| tls.client_certificate.as_deref());
        write_text(certificate.map_or("", pick).as_bytes(), escape, out);
    }
}

/// The path of a route key: what follows its method.
fn resource_path(route_key: &str) -> &str {
    route_key.split_once(' ').map_or(route_key, |(_, path)| path)
}

fn first_label(host: &[u8]) -> &[u8] {
    host.split(|byte| *byte == b'.' || *byte == b':').next().unwrap_or_default()
}

fn write_own(text: Option<&str>, escape: Escape, out: &mut Vec<u8>) {
    write_text(text.unwrap_or_default().as_bytes(), escape.for_own_text(), out);
}

fn write_text(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    let text = if text.is_empty() { escape.absent() } else { text };
    escape.write(text, out);
}

fn write_number(number: Option<u64>, escape: Escape, out: &mut Vec<u8>) {
    match number {
        Some(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => out.extend_from_slice(escape.absent()),
    }
}

fn write_ip(address: Option<IpAddr>, escape: Escape, out: &mut Vec<u8>) {
    match address {
        Some(IpAddr::V4(address)) => out.extend_from_slice(ipv4_text(address, &mut [0; 16])),
        // Writing to a vector cannot fail.
        Some(IpAddr::V6(address)) => drop(write!(out, "{address}")),
        None => out.extend_from_slice(escape.absent()),
    }
}

/// The standard library's formatter costs some 40 ns more.
fn ipv4_text(address: Ipv4Addr, text: &mut [u8; 16]) -> &[u8] {
    let mut end = 0;
    for octet in address.octets() {
        for byte in itoa::Buffer::new().format(octet).bytes().chain([b'.']) {
            // Four times three digits and a dot fill the text exactly.
            text[end & 15] = byte;
            end += 1;
        }
    }
    &text[..end - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["0.0.0.0", "255.255.255.255", "1.20.255.3", "127.0.0.1", "10.100.9.99"] {
            let address: Ipv4Addr = text.parse().expect("an address");
            assert_eq!(ipv4_text(address, &mut [0; 16]), text.as_bytes());
        }
    }
}
