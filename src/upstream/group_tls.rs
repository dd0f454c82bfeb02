//! How one shard reaches the targets of a group over TLS.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::base::Nanos;
use crate::proto::uri::split_authority;
use crate::rt::{Deadlines, Stream};
use crate::tls::UpstreamTls;
use crate::transport::{HandshakeFailure, Transport, connect_tls};

/// The shard's own part of a group's TLS: its sessions are kept behind a lock that no other shard
/// meets.
pub(super) struct GroupTls {
    shared: Arc<UpstreamTls>,
    config: Arc<ClientConfig>,
}

impl GroupTls {
    pub(super) fn new(shared: Arc<UpstreamTls>) -> Self {
        let config = shared.shard_config();
        Self { shared, config }
    }

    /// What all shards share of it.
    pub(super) fn shared(&self) -> &Arc<UpstreamTls> {
        &self.shared
    }

    /// Does the handshake with the target whose host (with its port, if that is known) is `host`.
    /// [`io::ErrorKind::TimedOut`] once `due` has passed.
    pub(super) async fn shake_hands(
        &self,
        stream: Stream,
        host: &str,
        deadlines: &Deadlines,
        due: Nanos,
    ) -> io::Result<Transport> {
        let name = self.shared.server_name(without_port(host));
        let name = name.map_err(|problem| refused(host, &problem.to_string()))?;
        let deadline = deadlines.watch(stream.raw_fd());
        deadline.set(due);
        let shaken = connect_tls(stream.clone(), &self.config, name).await;
        if deadline.passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        shaken.map_err(|failure| {
            stream.shutdown_both();
            match failure {
                HandshakeFailure::Refused(error) => refused(host, &error.to_string()),
                HandshakeFailure::Gone(error) => error,
            }
        })
    }
}

/// The target is there and may not be used, which its operator must hear of.
fn refused(host: &str, reason: &str) -> io::Error {
    tracing::warn!(address = host, reason, "no TLS session with a target");
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

/// The host of `host[:port]`; what is neither stays as it is.
pub(crate) fn without_port(host: &str) -> &str {
    split_authority(host.as_bytes()).map_or(host, |(name, _)| &host[..name.len()])
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn names_and_addresses_lose_their_ports_alone() {
        let cases = [
            ("api.example.com:443", "api.example.com"),
            ("api.example.com", "api.example.com"),
            ("10.0.0.1:8443", "10.0.0.1"),
            ("[::1]:443", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
        ];
        for (host, name) in cases {
            assert_eq!(without_port(host), name);
        }
    }
}
