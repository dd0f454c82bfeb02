//! Reads PEM and DER files whole, within bounds, and writes PEM.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::problem::TlsProblem;

/// The bytes of a file; a problem if it cannot be read or is too long to be what it should be.
pub(super) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, TlsProblem> {
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(TlsProblem::of_file(path, format!("cannot be read: {error}"))),
        Ok(count) if count as u64 > bytes_max => {
            Err(TlsProblem::of_file(path, format!("has more than {bytes_max} bytes")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// The certificates of a PEM file in their order, whatever else it holds; at least one.
pub(super) fn certificates(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| broken(path, &error))?;
    if found.is_empty() {
        return Err(no_section(path, bytes, "certificate", "CERTIFICATE"));
    }
    Ok(found)
}

/// The first private key of a PEM file.
pub(super) fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    let text = String::from_utf8_lossy(bytes);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        let help = format!(
            "decrypt it (`openssl pkey -in {} -out key.pem`) and protect the file by its mode",
            path.display()
        );
        return Err(TlsProblem::of_file(path, "the private key is encrypted").help(help));
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(no_section(path, bytes, "private key", "PRIVATE KEY")),
        Err(error) => Err(broken(path, &error)),
    }
}

/// Whether a PEM file holds a private key in some form.
pub(super) fn has_private_key(bytes: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(bytes).is_ok()
}

/// The revocation lists of a file, PEM or DER; at least one.
pub(super) fn revocation_lists(
    path: &Path,
    bytes: Vec<u8>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsProblem> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![bytes.into()]);
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| broken(path, &error))?;
    if found.is_empty() {
        return Err(no_section(path, &bytes, "revocation list", "X509 CRL"));
    }
    Ok(found)
}

/// A warning if others than owner and group may read a file that holds a secret.
pub(super) fn secret_warning(path: &Path) -> Option<TlsProblem> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        TlsProblem::of_file(path, "every user of this machine can read this secret")
            .help(format!("chmod 600 {}", path.display()))
    })
}

fn broken(path: &Path, error: &pem::Error) -> TlsProblem {
    TlsProblem::of_file(path, format!("is no good PEM: {error}"))
}

/// A file without what it should hold; says what it holds instead.
fn no_section(path: &Path, bytes: &[u8], what: &str, label: &str) -> TlsProblem {
    let sections: Vec<_> = <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes)
        .filter_map(Result::ok)
        .map(|(kind, _)| format!("{kind:?}"))
        .collect();
    let holds = match (sections.is_empty(), bytes.first() == Some(&DER_SEQUENCE)) {
        (false, _) => format!("; it holds {}", sections.join(", ")),
        (true, true) => "; it looks like DER".to_owned(),
        (true, false) => String::new(),
    };
    TlsProblem::of_file(path, format!("holds no {what}{holds}"))
        .help(format!("a PEM file has a section -----BEGIN {label}-----"))
}

/// A certificate in PEM, as `openssl x509` writes it.
pub(super) fn write_certificate(der: &[u8]) -> String {
    let mut text = String::with_capacity(der.len() * 4 / 3 + der.len() / 48 + 64);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let at = |index: usize| group.get(index).copied().map_or(0, u32::from);
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..4 {
                if digit > group.len() {
                    text.push('=');
                } else {
                    let index = bits >> (18 - 6 * digit) & 0x3f;
                    text.push(char::from(BASE64[index as usize]));
                }
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DER_SEQUENCE: u8 = 0x30;
/// Longest certificate chain or key: a hundred certificates.
pub(super) const CHAIN_BYTES_MAX: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for count in [1, 2, 3, 47, 48, 49, 100] {
            let der: Vec<u8> = (0..count).map(|byte| byte as u8 ^ 0xa5).collect();
            let text = write_certificate(&der);
            let read = CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM");
            assert_eq!(read.as_ref(), der, "{text}");
            assert!(text.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn a_file_of_another_kind_says_what_it_holds() {
        let path = Path::new("a.pem");
        let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let problem = certificates(path, key.as_bytes()).expect_err("a key");
        assert!(problem.to_string().contains("a.pem: holds no certificate; it holds Private"));
        let problem = certificates(path, &[DER_SEQUENCE, 0x82]).expect_err("DER");
        assert!(problem.message.contains("looks like DER"), "{problem}");
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let problem = private_key(path, encrypted.as_bytes()).expect_err("encrypted");
        assert!(problem.help.is_some_and(|help| help.contains("openssl pkey")));
        let cut = "-----BEGIN CERTIFICATE-----\nMAA=\n";
        let problem = certificates(path, cut.as_bytes()).expect_err("no end");
        assert!(problem.message.contains("no good PEM"), "{problem}");
    }

    #[test]
    fn files_are_read_up_to_their_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for (bytes, fits) in [(99, true), (100, true), (101, false)] {
            std::fs::write(&path, vec![0; bytes]).expect("written");
            assert_eq!(read_file(&path, 100).is_ok(), fits, "{bytes}");
        }
        assert!(read_file(folder.path(), 100).is_err(), "a folder is no file");
    }
}
