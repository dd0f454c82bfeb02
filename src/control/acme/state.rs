//! How the certificates do, for the admin listener.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::schedule::Seconds;

/// One domain's certificate. Instants are seconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct AcmeState {
    /// The first name of the domain.
    pub domain: String,
    /// When the certificate in the storage ends, if there is one.
    pub not_after: Option<i64>,
    /// When one is ordered next.
    pub next_order: i64,
    /// Certificates issued since the start.
    pub issued: u64,
    /// Orders that failed since the start.
    pub failed: u64,
    /// Orders that failed since the last that did not.
    pub failed_in_row: u32,
    /// Why the last order failed, if it did.
    pub last_error: Option<String>,
}

/// All of them, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct AcmeStates(Mutex<Vec<AcmeState>>);

impl AcmeStates {
    pub(super) fn get(&self) -> Vec<AcmeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the states of these domains and of no others.
    pub(super) fn keep(&self, domains: &[String]) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = domains.iter().map(|domain| {
            let known = states.iter().find(|state| state.domain == *domain).cloned();
            known.unwrap_or_else(|| AcmeState { domain: domain.clone(), ..AcmeState::default() })
        });
        *states = kept.collect();
    }

    pub(super) fn planned(&self, index: usize, not_after: Option<Seconds>, next_order: Seconds) {
        self.change(index, |state| {
            state.not_after = not_after;
            state.next_order = next_order;
        });
    }

    pub(super) fn issued(&self, index: usize) {
        self.change(index, |state| {
            state.issued += 1;
            state.failed_in_row = 0;
            state.last_error = None;
        });
    }

    /// How many failures in a row that makes.
    pub(super) fn failed(&self, index: usize, error: &str) -> u32 {
        self.change(index, |state| {
            state.failed += 1;
            state.failed_in_row = state.failed_in_row.saturating_add(1);
            state.last_error = Some(error.to_owned());
            state.failed_in_row
        })
        .unwrap_or(1)
    }

    fn change<T>(&self, index: usize, change: impl FnOnce(&mut AcmeState) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index).map(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_stays_keeps_its_state() {
        let states = AcmeStates::default();
        states.keep(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(states.failed(1, "no"), 1);
        assert_eq!(states.failed(1, "no again"), 2);
        states.keep(&["b".to_owned(), "c".to_owned()]);
        let [b, c] = states.get().try_into().expect("two");
        assert_eq!((b.failed, b.last_error.as_deref()), (2, Some("no again")));
        assert_eq!(c, AcmeState { domain: "c".to_owned(), ..AcmeState::default() });
        states.issued(0);
        states.planned(0, Some(9), 5);
        let b = &states.get()[0];
        assert_eq!((b.issued, b.failed, b.failed_in_row, &b.last_error), (1, 2, 0, &None));
        assert_eq!((b.not_after, b.next_order), (Some(9), 5));
    }
}
