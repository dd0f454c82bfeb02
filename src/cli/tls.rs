//! TLS of a boot file: its files, loaded to tell of mistakes at their place in it.

use crate::control::{TlsInForce, TlsPart};
use crate::settings::{Diagnostics, Place, Settings};
use crate::tls::{Clock, TlsProblem};

/// Loads every file that the settings name. Returns what is odd about them.
pub(super) fn load(settings: &Settings) -> Result<Vec<TlsProblem>, Diagnostics> {
    TlsInForce::load(&settings.model, None, &Clock::system())
        .map(|loaded| loaded.warnings)
        .map_err(|problems| draw(settings, problems))
}

/// Problems at their places in the boot file.
pub(super) fn draw(settings: &Settings, problems: Vec<(TlsPart, TlsProblem)>) -> Diagnostics {
    let problems = problems.into_iter().map(|(part, problem)| (place(&part), problem));
    settings.diagnose_tls(problems).expect("what refuses a file says why")
}

fn place(part: &TlsPart) -> Place {
    match part {
        TlsPart::TicketKeys => Place::TicketKeys,
        TlsPart::Domain(domain, part) => Place::Domain(*domain, *part),
        TlsPart::Group(group) => Place::GroupTls(*group),
    }
}
