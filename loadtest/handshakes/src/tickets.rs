//! The session tickets of one thread.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// A server sends one or two with each handshake, and each handshake takes one.
const TICKETS_COUNT_MAX: usize = 8;

/// Counts all tickets; keeps them, newest first, if sessions are to be resumed. Each is used once.
#[derive(Debug)]
pub(crate) struct Tickets {
    is_keeping: bool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    received_count: u64,
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl Tickets {
    pub(crate) fn new(is_keeping: bool) -> Self {
        Self { is_keeping, held: Mutex::default() }
    }

    pub(crate) fn received_count(&self) -> u64 {
        self.lock().received_count
    }

    /// One thread has it, so there is nobody to wait for and nobody who could have panicked.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut held = self.lock();
        held.received_count += 1;
        if self.is_keeping {
            held.tickets.push_front(ticket);
            held.tickets.truncate(TICKETS_COUNT_MAX);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().tickets.pop_front()
    }

    // There is one group, so there is nothing to remember of it.
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    // TLS 1.2 is not spoken.
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
}
