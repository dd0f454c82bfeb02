//! What is counted of TLS handshakes with clients.

use std::sync::Arc;

use super::counter::Counter;
use super::exposition::Exposition;
use super::shard_metrics::ShardMetrics;

/// How a handshake with a client ended.
#[derive(Clone, Copy, Debug)]
pub enum HandshakeEnd {
    /// There is a session.
    Done {
        /// `TLSv1.2` or `TLSv1.3`.
        version: &'static str,
        /// The cipher suite's IANA name.
        suite: &'static str,
        /// The group's IANA name; empty where no keys were exchanged.
        group: &'static str,
        /// It goes on from an earlier session.
        is_resumed: bool,
    },
    /// There is none.
    Failed {
        /// One of [`FAILURES`].
        reason: &'static str,
    },
}

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Values of the label `suite`, `other` last.
const SUITES: [&str; 10] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "other",
];

/// Values of the label `group`: `none` where no keys were exchanged, `other` last.
const GROUPS: [&str; 9] = [
    "none",
    "X25519",
    "secp256r1",
    "secp384r1",
    "X25519MLKEM768",
    "secp256r1MLKEM768",
    "MLKEM768",
    "MLKEM1024",
    "other",
];

/// Why handshakes fail: values of the label `reason`, `protocol` for what has no name of its own.
const FAILURES: [&str; 8] = [
    "timeout",
    "plain_http",
    "unknown_name",
    "client_certificate",
    "nothing_in_common",
    "alert_received",
    "gone",
    "protocol",
];

/// The counters of one shard.
#[derive(Debug, Default)]
pub(super) struct HandshakeCounters {
    /// By version, then by whether it was resumed.
    done: [[Counter; 2]; VERSIONS.len()],
    suites: [Counter; SUITES.len()],
    groups: [Counter; GROUPS.len()],
    failures: [Counter; FAILURES.len()],
    sessions_broken: Counter,
}

impl HandshakeCounters {
    pub(super) fn count(&self, end: &HandshakeEnd) {
        match *end {
            HandshakeEnd::Done { version, suite, group, is_resumed } => {
                self.done[place(&VERSIONS, version)][usize::from(is_resumed)].add(1);
                self.suites[place(&SUITES, suite)].add(1);
                let group = if group.is_empty() { "none" } else { group };
                self.groups[place(&GROUPS, group)].add(1);
            }
            HandshakeEnd::Failed { reason } => self.failures[place(&FAILURES, reason)].add(1),
        }
    }
}

impl HandshakeCounters {
    pub(super) fn session_broken(&self) {
        self.sessions_broken.add(1);
    }
}

/// The index of `name`, or the last one.
fn place(names: &[&str], name: &str) -> usize {
    names.iter().position(|one| *one == name).unwrap_or(names.len() - 1)
}

/// Appends the families; those that were never counted are left out.
pub(super) fn render(shards: &[Arc<ShardMetrics>], text: &mut Exposition<'_>) {
    let total = |pick: &dyn Fn(&HandshakeCounters) -> &Counter| {
        shards.iter().map(|shard| pick(&shard.counters.handshakes).get()).sum::<u64>()
    };
    text.counter("shardgate_tls_handshakes_total", "TLS handshakes with clients.");
    for (version, name) in VERSIONS.iter().enumerate() {
        for (resumed, label) in ["no", "yes"].iter().enumerate() {
            let count = total(&|one| &one.done[version][resumed]);
            text.sample(&[("version", name), ("resumed", label)], count);
        }
    }
    text.counter("shardgate_tls_handshakes_by_suite_total", "TLS handshakes by cipher suite.");
    for (index, name) in SUITES.iter().enumerate() {
        text.sample(&[("suite", name)], total(&|one| &one.suites[index]));
    }
    text.counter("shardgate_tls_handshakes_by_group_total", "TLS handshakes by key exchange.");
    for (index, name) in GROUPS.iter().enumerate() {
        text.sample(&[("group", name)], total(&|one| &one.groups[index]));
    }
    text.counter("shardgate_tls_handshake_failures_total", "TLS handshakes that failed, by why.");
    for (index, name) in FAILURES.iter().enumerate() {
        text.sample(&[("reason", name)], total(&|one| &one.failures[index]));
    }
    text.counter(
        "shardgate_tls_sessions_broken_total",
        "TLS sessions with clients that ended because what came was no part of them.",
    );
    text.sample(&[], total(&|one| &one.sessions_broken));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_counted_as_the_last() {
        let counters = HandshakeCounters::default();
        let done = HandshakeEnd::Done {
            version: "TLSv1.3",
            suite: "TLS_AES_128_GCM_SHA256",
            group: "of the future",
            is_resumed: true,
        };
        counters.count(&done);
        counters.count(&HandshakeEnd::Failed { reason: "never heard of" });
        assert_eq!(counters.done[1][1].get(), 1);
        assert_eq!((counters.suites[0].get(), counters.groups[8].get()), (1, 1));
        assert_eq!(counters.failures[FAILURES.len() - 1].get(), 1);
    }
}
