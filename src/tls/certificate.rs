//! The certificates that the gateway shows: a chain, its key, a staple, and what they say.
//!
//! What no client could accept is a problem when it is loaded: a key of another certificate, a
//! chain that does not hold together, a certificate without names. What time alone has broken is a
//! warning: one domain's forgotten certificate must not keep all others from starting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureAlgorithm};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::distinguished_name::{date_text, name_text, serial_text};
use super::ocsp::check_staple;
use super::options::{CertificateFiles, CertificateText};
use super::pem::{self, CHAIN_BYTES_MAX, read_file};
use super::problem::{Loaded, TlsProblem};
use super::provider::base_provider;
use super::resolver::{is_dns_name, name_covers};

/// A certificate with its key, ready to be shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// Of which kind its key is.
    pub kind: KeyKind,
    /// What it says.
    pub facts: CertificateFacts,
    /// The file that it came from, or what a text is called.
    pub file: PathBuf,
}

/// The kind of a certificate's key. Clients differ in which they verify.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum KeyKind {
    /// The cheapest to sign with, and what every client of today verifies: shown first.
    Ecdsa,
    /// Ed25519; few clients ask for it.
    Ed25519,
    /// What the oldest clients verify.
    Rsa,
}

impl KeyKind {
    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }
}

/// What a certificate says of itself, for logs and metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFacts {
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// Pairs of hexadecimal digits with colons.
    pub serial_number: String,
    /// The DNS names and the IP addresses that it is for, lower case.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl CertificateFacts {
    /// Whether a client that asks for `name` may accept it.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|own| name_covers(own, name))
    }

    /// How long it is still good, in seconds; negative when it is over.
    #[must_use]
    pub fn seconds_left(&self, now: UnixTime) -> i64 {
        self.not_after - seconds(now)
    }
}

impl Certificate {
    /// Loads a certificate that clients are shown.
    pub fn load(files: &CertificateFiles, now: UnixTime) -> Result<Loaded<Self>, TlsProblem> {
        Self::load_of_client(files, now)?.with_names()
    }

    /// Reads a certificate that clients are shown.
    pub fn read(text: &CertificateText, now: UnixTime) -> Result<Loaded<Self>, TlsProblem> {
        Self::read_of_client(text, now)?.with_names()
    }

    /// Loads a certificate that targets are shown, which needs no names.
    pub(super) fn load_of_client(
        files: &CertificateFiles,
        now: UnixTime,
    ) -> Result<Loaded<Self>, TlsProblem> {
        let CertificateFiles { certificate_file, key_file, ocsp_file } = files;
        let sources = Sources {
            certificate_file,
            key_file,
            chain: &read_file(certificate_file, CHAIN_BYTES_MAX)?,
            key: &read_file(key_file, CHAIN_BYTES_MAX)?,
            ocsp_file: ocsp_file.as_deref(),
        };
        let mut loaded = sources.load(now)?;
        loaded.warnings.extend(pem::secret_warning(key_file));
        Ok(loaded)
    }

    /// Reads a certificate that targets are shown.
    pub(super) fn read_of_client(
        text: &CertificateText,
        now: UnixTime,
    ) -> Result<Loaded<Self>, TlsProblem> {
        let name = Path::new(&text.name);
        let sources = Sources {
            certificate_file: name,
            key_file: name,
            chain: text.certificate.as_bytes(),
            key: text.key.as_bytes(),
            ocsp_file: None,
        };
        sources.load(now)
    }

    /// The chain in DER, the certificate itself first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }
}

impl Loaded<Certificate> {
    /// The certificate, if there is a name that clients may ask for.
    fn with_names(self) -> Result<Self, TlsProblem> {
        let Certificate { facts, file, .. } = &self.value;
        if facts.names.is_empty() {
            let message = format!(
                "the certificate ({}) has no names in its subjectAltName, and clients look \
                 nowhere else",
                facts.subject
            );
            return Err(TlsProblem::of_file(file, message)
                .help("have it issued with the domain's names as subjectAltName"));
        }
        Ok(self)
    }
}

/// What a certificate is made of, and what messages call where it came from.
struct Sources<'a> {
    certificate_file: &'a Path,
    key_file: &'a Path,
    /// PEM.
    chain: &'a [u8],
    /// PEM.
    key: &'a [u8],
    ocsp_file: Option<&'a Path>,
}

impl Sources<'_> {
    fn load(&self, now: UnixTime) -> Result<Loaded<Certificate>, TlsProblem> {
        let file = self.certificate_file;
        let chain = pem::certificates(file, self.chain)?;
        let key = pem::private_key(self.key_file, self.key)?;
        let key = base_provider().key_provider.load_private_key(key).map_err(|error| {
            TlsProblem::of_file(self.key_file, format!("the private key is not usable: {error}"))
                .help("keys are RSA of 2048 to 8192 bits, ECDSA on P-256, P-384, P-521, or Ed25519")
        })?;
        let mut warnings = Vec::new();
        let leaf = check_chain(file, &chain, now, &mut warnings)?;
        let kind = match key.algorithm() {
            SignatureAlgorithm::ECDSA => KeyKind::Ecdsa,
            SignatureAlgorithm::ED25519 => KeyKind::Ed25519,
            _ => KeyKind::Rsa,
        };
        let mut certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(self.other_key()),
        }
        if let Some(path) = self.ocsp_file {
            certified.ocsp = load_staple(path, &leaf.serial, now, &mut warnings)?;
        }
        let (key, file) = (Arc::new(certified), file.to_owned());
        Ok(Loaded { value: Certificate { key, kind, facts: leaf.facts, file }, warnings })
    }

    fn other_key(&self) -> TlsProblem {
        let message = format!(
            "the private key in {} is not that of the first certificate",
            self.key_file.display()
        );
        TlsProblem::of_file(self.certificate_file, message).help(
            "name the key that the certificate was asked for with, or put that certificate first",
        )
    }
}

/// The files in a folder that make up certificates: `NAME.pem`, `.crt` or `.cer` with `NAME.key`
/// beside it or the key inside it, and `fullchain.pem` with `privkey.pem`; `NAME.ocsp` is the
/// staple.
pub(super) fn find_in_folder(folder: &Path) -> Result<Vec<CertificateFiles>, TlsProblem> {
    let unread = |error| TlsProblem::of_file(folder, format!("cannot be read: {error}"));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let is_certificate = matches!(
            path.extension().and_then(|extension| extension.to_str()),
            Some("pem" | "crt" | "cer")
        );
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if is_certificate && !is_hidden && path.is_file() {
            if files.len() == FOLDER_COUNT_MAX {
                let message = format!("holds more than {FOLDER_COUNT_MAX} certificates");
                return Err(TlsProblem::of_file(folder, message));
            }
            if let Some(pair) = find_key(&path)? {
                files.insert(path, pair);
            }
        }
    }
    if files.is_empty() {
        let help = "put NAME.pem and NAME.key there, or fullchain.pem and privkey.pem";
        return Err(TlsProblem::of_file(folder, "holds no certificate with a key").help(help));
    }
    Ok(files.into_values().collect())
}

fn find_key(path: &Path) -> Result<Option<CertificateFiles>, TlsProblem> {
    let is_full = path.file_name().is_some_and(|name| name == "fullchain.pem");
    let beside =
        if is_full { path.with_file_name("privkey.pem") } else { path.with_extension("key") };
    let key_file = if beside.is_file() {
        beside
    } else if pem::has_private_key(&read_file(path, CHAIN_BYTES_MAX)?)
        && path.file_name().is_none_or(|name| name != "privkey.pem")
    {
        path.to_owned()
    } else {
        return Ok(None); // an authority's certificate, or a key
    };
    let staple = path.with_extension("ocsp");
    let ocsp_file = staple.is_file().then_some(staple);
    Ok(Some(CertificateFiles { certificate_file: path.to_owned(), key_file, ocsp_file }))
}

struct Leaf {
    serial: Vec<u8>,
    facts: CertificateFacts,
}

/// Checks that the first certificate is a server's and each next one the issuer of the one before.
fn check_chain(
    file: &Path,
    chain: &[CertificateDer<'static>],
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<Leaf, TlsProblem> {
    let parsed: Vec<_> = chain
        .iter()
        .enumerate()
        .map(|(index, der)| parse(der).ok_or_else(|| malformed(file, index)))
        .collect::<Result<_, _>>()?;
    let leaf = parsed.first().ok_or_else(|| malformed(file, 0))?;
    if leaf.is_ca() && parsed.len() > 1 {
        let message =
            format!("the first certificate is an authority's ({})", name_text(leaf.subject()));
        let help = "the server's own certificate comes first, then its issuer, then that one's";
        return Err(TlsProblem::of_file(file, message).help(help));
    }
    for (index, pair) in parsed.windows(2).enumerate() {
        if pair[0].issuer().as_raw() != pair[1].subject().as_raw() {
            return Err(broken_chain(file, index, &pair[0], &pair[1]));
        }
    }
    for (index, one) in parsed.iter().enumerate() {
        warnings.extend(date_warning(file, index, one, now));
    }
    let facts = facts(leaf);
    Ok(Leaf { serial: leaf.raw_serial().to_vec(), facts })
}

fn malformed(file: &Path, index: usize) -> TlsProblem {
    TlsProblem::of_file(file, format!("certificate {} is no X.509 certificate", index + 1))
}

fn broken_chain(
    file: &Path,
    index: usize,
    one: &X509Certificate<'_>,
    next: &X509Certificate<'_>,
) -> TlsProblem {
    let message = format!(
        "certificate {} ({}) was not issued by certificate {} ({}), but by {}",
        index + 1,
        name_text(one.subject()),
        index + 2,
        name_text(next.subject()),
        name_text(one.issuer()),
    );
    TlsProblem::of_file(file, message).help(
        "each certificate is followed by that of its issuer; leave out what is not of the chain",
    )
}

fn date_warning(
    file: &Path,
    index: usize,
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Option<TlsProblem> {
    let validity = certificate.validity();
    let what = match seconds(now) {
        now if now > validity.not_after.timestamp() => {
            format!("expired on {}", date_text(validity.not_after))
        }
        now if now < validity.not_before.timestamp() => {
            format!("is not valid before {}", date_text(validity.not_before))
        }
        _ => return None,
    };
    let (number, subject) = (index + 1, name_text(certificate.subject()));
    Some(
        TlsProblem::of_file(file, format!("certificate {number} ({subject}) {what}"))
            .help("clients refuse it: renew it, then reload"),
    )
}

fn load_staple(
    file: &Path,
    serial: &[u8],
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<Option<Vec<u8>>, TlsProblem> {
    let response = read_file(file, STAPLE_BYTES_MAX)?;
    let staple = check_staple(&response, serial).map_err(|reason| {
        TlsProblem::of_file(file, reason).help("fetch it anew: `openssl ocsp -respout FILE`")
    })?;
    if staple.next_update.is_some_and(|end| end < seconds(now)) {
        // A client that is shown an old response may refuse; without any it asks on its own.
        warnings.push(
            TlsProblem::of_file(file, "the OCSP response is over, and is not stapled")
                .help("fetch it anew: `openssl ocsp -respout FILE`"),
        );
        return Ok(None);
    }
    Ok(Some(response))
}

pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(der.as_ref()) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn facts(certificate: &X509Certificate<'_>) -> CertificateFacts {
    CertificateFacts {
        subject: name_text(certificate.subject()),
        issuer: name_text(certificate.issuer()),
        serial_number: serial_text(certificate.raw_serial()),
        names: server_names(certificate),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    }
}

fn server_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => {
            let name = name.to_ascii_lowercase();
            is_dns_name(name.strip_prefix("*.").unwrap_or(&name)).then_some(name)
        }
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => {
                let bytes = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

pub(super) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Certificates in one folder.
const FOLDER_COUNT_MAX: usize = 10_000;
/// An OCSP response of one certificate with its responder's own is about 2 KiB.
const STAPLE_BYTES_MAX: u64 = 32 * 1024;

#[cfg(test)]
mod tests;
