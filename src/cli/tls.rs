//! TLS of a boot file: its files loaded for `check`, and what is not served yet refused for `run`.

use crate::control::{TlsInForce, TlsPart};
use crate::settings::{Diagnostics, Place, Settings};
use crate::tls::{Clock, TlsProblem};

/// Loads every file that the settings name. Returns what is odd about them.
pub(super) fn load(settings: &Settings) -> Result<Vec<TlsProblem>, Diagnostics> {
    match TlsInForce::load(&settings.model, None, &Clock::system()) {
        Ok(loaded) => Ok(loaded.warnings),
        Err(problems) => {
            let problems = problems.into_iter().map(|(part, problem)| (place(&part), problem));
            Err(settings.diagnose_tls(problems).expect("what refuses a file says why"))
        }
    }
}

fn place(part: &TlsPart) -> Place {
    match part {
        TlsPart::TicketKeys => Place::TicketKeys,
        TlsPart::Domain(domain, part) => Place::Domain(*domain, *part),
        TlsPart::Group(group) => Place::GroupTls(*group),
    }
}

/// Refuses what the data plane does not serve yet. A listener that was asked for TLS must not
/// serve plain HTTP, and a target that was asked to be verified must not go unverified.
pub(super) fn refuse_unserved(settings: Settings) -> Result<Settings, Diagnostics> {
    let model = &settings.model;
    let mut unserved = Vec::new();
    for (index, listener) in model.listeners.iter().enumerate() {
        let message = if model.tls.listeners.contains_key(&listener.name) {
            "listeners do not serve TLS yet"
        } else if model.tls.redirects.contains_key(&listener.name) {
            "listeners do not send clients to HTTPS yet"
        } else {
            continue;
        };
        unserved.push((Place::ListenerTls(index), message));
    }
    for (index, group) in model.target_groups.iter().enumerate() {
        if model.tls.upstreams.contains_key(&group.name) {
            unserved.push((Place::GroupTls(index), "targets are not reached over TLS yet"));
        }
    }
    let help = "`check` loads and checks all of it; take it out to run, or wait for a version \
        that serves it";
    let unserved = unserved
        .into_iter()
        .map(|(place, message)| (place, TlsProblem { help: Some(help.into()), ..message.into() }));
    match settings.diagnose_tls(unserved) {
        Some(mistakes) => Err(mistakes),
        None => Ok(settings),
    }
}
