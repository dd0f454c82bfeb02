//! The threads, and what they came to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::client::{Client, Handshake};

/// A server that fails so often is not measured but asked to fail: the thread ends.
const FAILED_COUNT_MAX: u64 = 100;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) name: ServerName<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) is_resuming: bool,
    pub(crate) duration: Duration,
    pub(crate) handshakes_count_max: u64,
    pub(crate) threads_count: u32,
    pub(crate) timeout: Duration,
}

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) elapsed: Duration,
    pub(crate) full_count: u64,
    pub(crate) resumed_count: u64,
    pub(crate) failed_count: u64,
    pub(crate) tickets_count: u64,
    pub(crate) latencies: Vec<Duration>,
    /// What the first failure was.
    pub(crate) failure: Option<String>,
}

pub(crate) fn run(plan: &Plan) -> Result<Outcome, String> {
    let clients = (0..plan.threads_count)
        .map(|_| Client::new(plan).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    let (begun, begun_count) = (Instant::now(), AtomicU64::new(0));
    let may_begin = || {
        begun.elapsed() < plan.duration
            && begun_count.fetch_add(1, Ordering::Relaxed) < plan.handshakes_count_max
    };
    let mut outcome = thread::scope(|scope| {
        let threads: Vec<_> =
            clients.iter().map(|client| scope.spawn(|| repeat(client, &may_begin))).collect();
        let mut outcome = Outcome::default();
        for thread in threads {
            outcome.merge(thread.join().map_err(|_| "a thread panicked".to_owned())?);
        }
        Ok::<_, String>(outcome)
    })?;
    outcome.elapsed = begun.elapsed();
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

fn repeat(client: &Client, may_begin: &impl Fn() -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    while outcome.failed_count < FAILED_COUNT_MAX && may_begin() {
        match client.shake_hands() {
            Ok(handshake) => outcome.add(handshake),
            Err(error) => {
                outcome.failed_count += 1;
                outcome.failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
    outcome.tickets_count = client.tickets_count();
    outcome
}

impl Outcome {
    fn add(&mut self, handshake: Handshake) {
        match handshake.kind {
            HandshakeKind::Resumed => self.resumed_count += 1,
            // With one group on offer a retry is never asked for, unless to fail.
            HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest => self.full_count += 1,
        }
        self.latencies.push(handshake.latency);
    }

    fn merge(&mut self, other: Self) {
        self.full_count += other.full_count;
        self.resumed_count += other.resumed_count;
        self.failed_count += other.failed_count;
        self.tickets_count += other.tickets_count;
        self.latencies.extend(other.latencies);
        self.failure = self.failure.take().or(other.failure);
    }
}

#[cfg(test)]
mod tests;
