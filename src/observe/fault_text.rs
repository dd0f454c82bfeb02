//! What logs say about a fault. What the client sees is written elsewhere and never mixes.

use crate::base::{Fault, ThrottleScope};

/// A sentence for operators, without full stop.
#[must_use]
pub fn fault_text(fault: Fault) -> &'static str {
    match fault {
        Fault::BadRequestLine => "the request line is malformed",
        Fault::BadHeader => "a field line is malformed",
        Fault::BadFraming => "the length of the request body is ambiguous or malformed",
        Fault::BadHost => "the Host is missing, repeated or malformed",
        Fault::BadTarget => "the request target is malformed",
        Fault::BadChunk => "a chunk or trailer of the request body is malformed",
        Fault::BadBody => "the body is not what its content type says",
        Fault::BadProxyHeader => "the PROXY protocol header is missing or malformed",
        Fault::PlainHttpToTls => "plain HTTP came to a port for TLS",
        Fault::VersionNotSupported => "the HTTP version is not supported",
        Fault::NotImplemented => "the method or the transfer coding is not implemented",
        Fault::ExpectationFailed => "the expectation is not known",
        Fault::UriTooLong => "the request line is over its limit",
        Fault::HeadTooLarge => "the head or its number of fields is over the limit",
        Fault::BodyTooLarge => "the request body is over its limit",
        Fault::RequestTimeout => "the request did not arrive in time",
        Fault::ClientGone => "the client went away before its answer was complete",
        Fault::ClientCertificateRefused => "the client's certificate is missing or not trusted",
        Fault::EndpointRefused => "the endpoint is closed, private, or none of any API",
        Fault::MissingParameters => "parameters that the method requires are missing",
        Fault::BadJson => "the body is no JSON and a mapping reads it",
        Fault::UnsupportedMediaType => "the integration takes no body of this type",
        Fault::ApiConfiguration => "the API's configuration cannot be carried out",
        Fault::NotAvailable => "the integration needs what this version does not have",
        Fault::MisdirectedRequest => "no API answers to this host",
        Fault::NotFound => "no route matches",
        Fault::ConnectFailed => "no target could be connected to",
        Fault::UpstreamReset => "the target closed the connection before its answer was complete",
        Fault::BadUpstreamAnswer => "the answer of the target is malformed",
        Fault::InvocationRefused => "the function was not invoked",
        Fault::FunctionFailed => "the function failed, or its answer is malformed",
        Fault::NoHealthyTarget => "every target is unhealthy or ejected",
        Fault::CircuitOpen => "the bound on outstanding requests to the targets is reached",
        Fault::ConnectTimeout => "connecting to the target took too long",
        Fault::UpstreamTimeout => "the target did not answer in time",
        Fault::Panicked => "the task of the request panicked",
        Fault::TooManyConnections => "the shard has as many connections as it may have",
        Fault::Draining => "the process is draining",
        Fault::Throttled { scope, .. } => match scope {
            ThrottleScope::Account => "the limit of the account is reached",
            ThrottleScope::Stage => "the limit of the stage is reached",
            ThrottleScope::Route => "the limit of the route is reached",
            ThrottleScope::Connection => "the limit of the connection is reached",
        },
    }
}

/// The gateway response type of a fault (AWS, "Gateway response types").
#[must_use]
pub fn gateway_response_type(fault: Fault) -> &'static str {
    match fault {
        Fault::Throttled { .. } => "THROTTLED",
        Fault::NotFound => "RESOURCE_NOT_FOUND",
        Fault::ClientCertificateRefused => "ACCESS_DENIED",
        Fault::BodyTooLarge => "REQUEST_TOO_LARGE",
        Fault::MissingParameters => "BAD_REQUEST_PARAMETERS",
        Fault::BadJson => "BAD_REQUEST_BODY",
        Fault::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        Fault::ApiConfiguration => "API_CONFIGURATION_ERROR",
        Fault::ConnectFailed | Fault::UpstreamReset | Fault::BadUpstreamAnswer => {
            "INTEGRATION_FAILURE"
        }
        Fault::ConnectTimeout | Fault::UpstreamTimeout => "INTEGRATION_TIMEOUT",
        other if other.status() < 500 => "DEFAULT_4XX",
        _ => "DEFAULT_5XX",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_text_of_its_own_and_a_type() {
        let mut texts: Vec<_> = Fault::PLAIN.iter().map(|fault| fault_text(*fault)).collect();
        assert!(texts.iter().all(|text| !text.is_empty() && !text.ends_with('.')));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Fault::PLAIN.len());
        assert_eq!(gateway_response_type(Fault::BadHeader), "DEFAULT_4XX");
        assert_eq!(gateway_response_type(Fault::Panicked), "DEFAULT_5XX");
        let throttled = Fault::Throttled { scope: ThrottleScope::Stage, retry_after_ms: 1 };
        assert_eq!(gateway_response_type(throttled), "THROTTLED");
    }
}
