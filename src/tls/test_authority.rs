//! Authorities and certificates of every kind, for tests.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::certificate::parse;
use super::ocsp::Der;
use super::options::{CertificateFiles, CertificateText};
use super::pem;
use super::provider::Clock;

/// 28 May 2026.
pub(super) const NOW: u64 = 1_780_000_000;

pub(super) fn clock() -> Clock {
    Clock::fixed(NOW)
}

pub(super) fn now() -> UnixTime {
    clock().now()
}

/// A certificate and its key.
pub(super) struct Identity {
    pub(super) der: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Identity {
    /// One that issued itself.
    pub(super) fn own(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params("own");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { der, key }
    }

    pub(super) fn pem(&self) -> String {
        pem::write_certificate(&self.der)
    }

    pub(super) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("PKCS#8")
    }

    pub(super) fn serial(&self) -> Vec<u8> {
        parse(&self.der).expect("a certificate").raw_serial().to_vec()
    }

    /// Certificate and key in no file.
    pub(super) fn text(&self, name: &str) -> CertificateText {
        CertificateText {
            name: name.into(),
            certificate: self.pem(),
            key: self.key.serialize_pem(),
        }
    }

    /// Writes `NAME.pem` with further certificates behind, and `NAME.key`.
    pub(super) fn write(&self, folder: &Path, name: &str, behind: &[&str]) -> CertificateFiles {
        let certificate_file = folder.join(name).with_extension("pem");
        let key_file = folder.join(name).with_extension("key");
        std::fs::write(&certificate_file, self.pem() + &behind.concat()).expect("written");
        write_secret(&key_file, &self.key.serialize_pem());
        CertificateFiles { certificate_file, key_file, ocsp_file: None }
    }
}

/// Writes a file that only its owner reads.
pub(super) fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("the mode is set");
}

pub(super) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// An authority.
pub(super) struct Authority {
    pub(super) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    pub(super) fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root_with_key(name, KeyPair::generate().expect("a key"), change)
    }

    pub(super) fn root_with_key(
        name: &str,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority_params(name);
        change(&mut params);
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub(super) fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| {})
    }

    pub(super) fn below_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority_params(name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub(super) fn pem(&self) -> String {
        pem::write_certificate(&self.der)
    }

    pub(super) fn server(&self, names: &[&str]) -> Identity {
        self.server_with_key(names, KeyPair::generate().expect("a key"))
    }

    pub(super) fn server_with_key(&self, names: &[&str], key: KeyPair) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.issue_for(key, |params| {
            params.subject_alt_names =
                CertificateParams::new(names).expect("DNS names").subject_alt_names;
        })
    }

    pub(super) fn client(&self, name: &str) -> Identity {
        self.issue(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    pub(super) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.issue_for(KeyPair::generate().expect("a key"), change)
    }

    pub(super) fn issue_for(
        &self,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = params("leaf");
        change(&mut params);
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        Identity { der, key }
    }

    /// A revocation list that is good until the year.
    pub(super) fn revocation_list(&self, serials: &[Vec<u8>], year: i32) -> String {
        let revoked = |serial: &Vec<u8>| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

pub(super) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A key of RSA with 2048 bits.
pub(super) fn rsa_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key")
}

/// The key inside of PKCS#8: PKCS#1 of an RSA key, SEC1 of an ECDSA key.
pub(super) fn inner_key(key: &KeyPair) -> Vec<u8> {
    let pkcs8 = key.serialize_der();
    let mut fields = Der(&pkcs8).enter(0x30).expect("a sequence");
    fields.next().expect("a version");
    fields.next().expect("an algorithm");
    fields.enter(0x04).expect("a key").0.to_vec()
}
