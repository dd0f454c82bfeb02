//! Certificates of every kind, and the folder that a gateway reads them from.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Who issues certificates.
pub(crate) struct Authority {
    der: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, those of its issuers that go with it, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let (params, key) = (authority_params(name), new_key());
        let own = params.self_signed(&key).expect("a certificate");
        Self { der: own.der().clone(), pem: own.pem(), issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let (params, key) = (authority_params(name), new_key());
        let own = params.signed_by(&key, &self.issuer).expect("a certificate");
        Self { der: own.der().clone(), pem: own.pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn server(&self, names: &[&str]) -> Identity {
        self.issue(|params| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            params.subject_alt_names =
                CertificateParams::new(names).expect("names").subject_alt_names;
        })
    }

    /// One that expires so many seconds from now (before now if negative).
    pub(crate) fn server_for(&self, names: &[&str], seconds_left: i64) -> Identity {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        self.issue(|params| {
            params.subject_alt_names =
                CertificateParams::new(names).expect("names").subject_alt_names;
            expire_at(params, now_seconds() + seconds_left);
        })
    }

    pub(crate) fn client(&self, name: &str) -> Identity {
        self.issue(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// A list that says that certificates with these serial numbers are revoked.
    pub(crate) fn revocation_list(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }

    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (mut params, key) = (params("leaf"), new_key());
        change(&mut params);
        let own = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { chain: vec![own.der().clone()], pem: own.pem(), key }
    }
}

impl Identity {
    /// One that issued itself, for clients.
    pub(crate) fn self_signed() -> Self {
        let (params, key) = (params("own"), new_key());
        let own = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![own.der().clone()], pem: own.pem(), key }
    }

    /// Shows these authorities too.
    pub(crate) fn behind(mut self, issuers: &[&Authority]) -> Self {
        self.chain.extend(issuers.iter().map(|one| one.der()));
        self
    }

    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("PKCS#8")
    }
}

/// What a gateway reads: `NAME.pem` and `NAME.key`.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write_secret(&self.path(name), text);
    }

    pub(crate) fn write_identity(&self, name: &str, identity: &Identity) {
        self.write(&format!("{name}.pem"), &identity.pem);
        self.write(&format!("{name}.key"), &identity.key.serialize_pem());
    }

    /// `NAME.pem` and `NAME.key` as the boot file names them.
    pub(crate) fn pair(&self, name: &str) -> String {
        let folder = self.0.path().display();
        format!(
            "{{ certificate_file = \"{folder}/{name}.pem\", key_file = \"{folder}/{name}.key\" }}"
        )
    }
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("the mode is set");
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("a time of today")
}

/// Has it begin so many seconds after 1970 began.
pub(crate) fn begin_at(params: &mut CertificateParams, seconds: i64) {
    params.not_before = date_time_ymd(1970, 1, 1) + span(seconds);
}

/// Has it expire so many seconds after 1970 began.
pub(crate) fn expire_at(params: &mut CertificateParams, seconds: i64) {
    params.not_after = date_time_ymd(1970, 1, 1) + span(seconds);
}

fn span(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).expect("a date after 1970"))
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
