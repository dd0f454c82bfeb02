//! TLS of a boot file: its files, loaded to tell of mistakes at their place in it.

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

/// The settings, if every file that they name can be loaded; else what is wrong with each, at its
/// place in the boot file.
pub(super) fn loadable(settings: Settings) -> Result<Settings, Diagnostics> {
    load(&settings).map(|_| settings)
}
