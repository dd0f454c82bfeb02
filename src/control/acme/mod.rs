//! Certificates that the gateway orders itself, by ACME (RFC 8555).
//!
//! One task of the side thread orders, keeps and renews; shards answer authorities out of
//! [`AcmeChallenges`] and know nothing else of it. A certificate that was issued is in the storage
//! before anybody is told, and is brought into force by loading the files of TLS again. The rule
//! that a newcomer would break: a certificate that works is never touched by an attempt that fails.

mod account;
mod answers;
mod dns_hook;
mod error;
mod https;
mod order;
mod schedule;
mod state;
mod store;
mod worker;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::owned_task::OwnedTask;
use crate::coord::AcmeChallenges;
use crate::model::{Acme, Tls};
use crate::tls::{CertificateSource, Clock};
pub use state::AcmeState;
use state::AcmeStates;
use worker::{Ordered, Worker};

/// Orders certificates for the domains that ask for it. Stops when dropped.
pub struct AcmeWatch {
    challenges: Arc<AcmeChallenges>,
    states: Arc<AcmeStates>,
    clock: Clock,
    on_issued: Arc<dyn Fn() + Send + Sync>,
    watched: Mutex<Option<Watched>>,
}

/// What is ordered just now, and by whom.
struct Watched {
    acme: Acme,
    domains: Vec<Ordered>,
    _task: OwnedTask,
}

impl AcmeWatch {
    /// Watches nothing yet. `on_issued` is told whenever a certificate in the storage is another
    /// one, or may be; it is called from the task and must not wait.
    #[must_use]
    pub fn new(
        challenges: Arc<AcmeChallenges>,
        clock: Clock,
        on_issued: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            challenges,
            states: Arc::default(),
            clock,
            on_issued: Arc::new(on_issued),
            watched: Mutex::new(None),
        }
    }

    /// What shards answer authorities.
    #[must_use]
    pub fn challenges(&self) -> &Arc<AcmeChallenges> {
        &self.challenges
    }

    /// Orders what `tls` asks for and nothing else. Goes on with what is under way if nothing of
    /// that has changed; to be called on the side thread's runtime.
    pub fn watch(&self, tls: &Tls) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let domains = ordered(tls);
        let acme = tls.acme.as_ref().filter(|_| !domains.is_empty());
        let is_same = match (&*watched, acme) {
            (Some(now), Some(acme)) => now.acme == *acme && now.domains == domains,
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        // The old task ends before the new one begins.
        *watched = None;
        let names: Vec<_> = domains.iter().map(|domain| domain.names[0].clone()).collect();
        self.states.keep(&names);
        *watched = acme.map(|acme| {
            let worker = Worker {
                acme: acme.clone(),
                domains: domains.clone(),
                challenges: Arc::clone(&self.challenges),
                states: Arc::clone(&self.states),
                clock: self.clock.clone(),
                on_issued: Arc::clone(&self.on_issued),
            };
            let task = OwnedTask::spawn(worker.run());
            Watched { acme: acme.clone(), domains, _task: task }
        });
    }

    /// Orders nothing any more.
    pub fn stop(&self) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How the certificates do, in the order of the domains.
    #[must_use]
    pub fn states(&self) -> Vec<AcmeState> {
        self.states.get()
    }
}

impl fmt::Debug for AcmeWatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("AcmeWatch").field(&self.states()).finish()
    }
}

fn ordered(tls: &Tls) -> Vec<Ordered> {
    let domains = tls.domains.iter().filter_map(|domain| match &domain.options.certificates {
        CertificateSource::Acme(file) if !domain.options.names.is_empty() => {
            Some(Ordered { names: domain.options.names.clone(), file: file.clone() })
        }
        _ => None,
    });
    domains.collect()
}
