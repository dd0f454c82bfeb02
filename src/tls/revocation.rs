//! Revocation lists of a trust store.

use std::path::Path;

use rustls::pki_types::UnixTime;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::certificate::seconds;
use super::distinguished_name::{date_text, name_text};
use super::pem::{self, read_file};
use super::problem::TlsProblem;

/// A list that can be asked, and its bytes.
#[derive(Debug)]
pub(super) struct RevocationList {
    pub(super) list: CertRevocationList<'static>,
    pub(super) der: Vec<u8>,
    /// The name of who issued it, in DER.
    pub(super) issuer: Vec<u8>,
}

/// Loads the lists of one file.
pub(super) fn load_lists(
    file: &Path,
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<Vec<RevocationList>, TlsProblem> {
    let lists = pem::revocation_lists(file, read_file(file, FILE_BYTES_MAX)?)?;
    lists.iter().map(|der| parse(file, der, now, warnings)).collect()
}

fn parse(
    file: &Path,
    der: &[u8],
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<RevocationList, TlsProblem> {
    let (_, read) = CertificateRevocationList::from_der(der)
        .map_err(|_| TlsProblem::of_file(file, "is no revocation list in PEM or DER"))?;
    let list = OwnedCertRevocationList::from_der(der).map_err(|error| {
        TlsProblem::of_file(file, format!("is a revocation list that cannot be used: {error}"))
            .help("a list is complete (no delta) and of version 2, with nextUpdate and a number")
    })?;
    if let Some(next) = read.next_update().filter(|next| next.timestamp() < seconds(now)) {
        let issuer = name_text(read.issuer());
        let message = format!("the revocation list of {issuer} was over on {}", date_text(next));
        let help = "every client of that authority is refused: fetch the list anew";
        warnings.push(TlsProblem::of_file(file, message).help(help));
    }
    let issuer = read.issuer().as_raw().to_vec();
    Ok(RevocationList { list: list.into(), der: der.to_vec(), issuer })
}

/// A list of half a million certificates.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
