//! Why no certificate was issued, or why it cannot be kept.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tls::TlsProblem;

/// What went wrong in one attempt. Never ends anything: there is a next attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcmeError {
    /// The directory cannot be reached, or refuses something.
    #[error("{0}")]
    Directory(#[from] instant_acme::Error),
    /// The authority does not believe that a name is ours.
    #[error("{0}")]
    Unproved(String),
    /// The command for TXT records failed.
    #[error("the dns_hook {0}")]
    Hook(String),
    /// A certificate or a key that is not what it should be.
    #[error("{0}")]
    Tls(#[from] TlsProblem),
    /// A key or a signing request cannot be made.
    #[error("cannot make a key and a signing request: {0}")]
    Request(#[from] rcgen::Error),
    /// The storage cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The account's file is not one, or of another directory.
    #[error("{}: {reason}", path.display())]
    Account {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The whole attempt took too long.
    #[error("no certificate within {} seconds", .0.as_secs())]
    Timeout(Duration),
}

impl AcmeError {
    pub(super) fn of_file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File { path: path.to_owned(), error }
    }

    /// Whether the directory asks for patience (RFC 8555 section 6.6).
    pub(super) fn is_rate_limit(&self) -> bool {
        self.is_problem("rateLimited")
    }

    /// Whether the directory does not know the account.
    pub(super) fn is_unknown_account(&self) -> bool {
        self.is_problem("accountDoesNotExist")
    }

    fn is_problem(&self, name: &str) -> bool {
        let Self::Directory(instant_acme::Error::Api(problem)) = self else { return false };
        let kind = problem.r#type.as_deref().unwrap_or_default();
        kind.strip_prefix("urn:ietf:params:acme:error:") == Some(name)
    }
}
