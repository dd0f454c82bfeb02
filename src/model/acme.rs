//! How the gateway has certificates issued for its own domains.

use std::path::{Path, PathBuf};

use crate::tls::ServerRoots;

/// An ACME directory (RFC 8555), and what is kept of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acme {
    /// `https://`, with everything that follows.
    pub directory_url: String,
    /// `mailto:` and an address, each.
    pub contacts: Vec<String>,
    /// Holds the account: its key and its URL. Made if it is not there.
    pub account_file: PathBuf,
    /// Holds the certificates that the directory issued, and nothing of another directory.
    pub folder: PathBuf,
    /// Whose certificate the directory itself may show.
    pub roots: ServerRoots,
    /// How long before its end a certificate is renewed; at most half its life counts.
    pub renew_before_days: u32,
    /// How the gateway proves that a name is its own.
    pub challenge: AcmeChallenge,
}

/// How the gateway proves that a name is its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AcmeChallenge {
    /// By an answer on port 80 of the name.
    Http01,
    /// By a handshake on port 443 of the name (RFC 8737).
    TlsAlpn01,
    /// By a TXT record of the name's zone. The only one for wildcards.
    Dns01(DnsHook),
}

/// The command that adds and removes TXT records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DnsHook {
    /// The program, then its first arguments; at least the program. `add` or `remove`, the name of
    /// the record and its value follow.
    pub command: Vec<String>,
    /// How long one run may take.
    pub timeout_ms: u64,
}

impl Acme {
    /// Longest first name of a domain. A file's name has at most 255 bytes; this leaves room for
    /// what is added to it.
    pub const FIRST_NAME_BYTES_MAX: usize = 200;

    /// The folder for what `directory_url` issues: one for each directory, so that a change from a
    /// test directory to the real one orders everything anew, and a change back nothing.
    #[must_use]
    pub fn folder_of(storage: &Path, directory_url: &str) -> PathBuf {
        let plain = directory_url.strip_prefix("https://").unwrap_or(directory_url);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
        let name = plain.chars().map(|letter| if is_plain(letter) { letter } else { '-' });
        storage.join(name.take(FOLDER_NAME_BYTES_MAX).collect::<String>())
    }

    /// The file of the certificate for a domain whose first name is `name`.
    #[must_use]
    pub fn certificate_file(folder: &Path, name: &str) -> PathBuf {
        // No host name has a plus sign.
        folder.join(format!("{}.pem", name.replace('*', "+")))
    }
}

/// The longest name that file systems take, less what is added to it.
const FOLDER_NAME_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_a_folder_of_its_own() {
        let folder = |url: &str| Acme::folder_of(Path::new("/acme"), url);
        assert_eq!(
            folder("https://acme-v02.api.letsencrypt.org/directory"),
            Path::new("/acme/acme-v02.api.letsencrypt.org-directory")
        );
        assert_ne!(folder("https://ca/acme/one"), folder("https://ca/acme/two"));
        assert_eq!(folder("https://ca/../x"), Path::new("/acme/ca-..-x"));
        let long = folder(&format!("https://{}", "x".repeat(1_000)));
        assert_eq!(long.file_name().map(|name| name.len()), Some(FOLDER_NAME_BYTES_MAX));
    }

    #[test]
    fn a_wildcard_has_another_file_than_any_host() {
        let file = |name| Acme::certificate_file(Path::new("/f"), name);
        assert_eq!(file("a.example"), Path::new("/f/a.example.pem"));
        assert_eq!(file("*.a.example"), Path::new("/f/+.a.example.pem"));
    }
}
