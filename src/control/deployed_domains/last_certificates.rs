//! The certificates that domains showed last, for when their files cannot be used.
//!
//! A certificate and its key are two files, replaced one after the other, and may be away for a
//! moment: what was shown before is shown on, as for the domains of the boot file. The invariant a
//! newcomer would break: it stands for the same files alone, so a domain that was given another
//! certificate never shows the one of before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use crate::model::DeployedDomain;
use crate::tls::{CertificateFiles, CertificateText};

/// Certificates by domain. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastCertificates(BTreeMap<Name, Arc<Known>>);

/// Region and name of a domain.
type Name = (String, String);

#[derive(Debug)]
struct Known {
    files: CertificateFiles,
    text: CertificateText,
}

impl LastCertificates {
    /// What the files hold now; `None` if they cannot be read. To be taken before they are loaded, so
    /// that it is no newer than what is shown.
    pub(super) fn read(files: &CertificateFiles) -> Option<CertificateText> {
        Some(CertificateText {
            name: files.certificate_file.display().to_string(),
            certificate: fs::read_to_string(&files.certificate_file).ok()?,
            key: fs::read_to_string(&files.key_file).ok()?,
        })
    }

    /// Keeps what a domain shows from now on.
    pub(super) fn keep(
        &mut self,
        domain: &DeployedDomain,
        files: &CertificateFiles,
        text: CertificateText,
    ) {
        self.0.insert(name_of(domain), Arc::new(Known { files: files.clone(), text }));
    }

    /// What the domain showed last from these files.
    pub(super) fn find(
        &self,
        domain: &DeployedDomain,
        files: &CertificateFiles,
    ) -> Option<&CertificateText> {
        let known = self.0.get(&name_of(domain)).filter(|known| known.files == *files);
        known.map(|known| &known.text)
    }

    /// Forgets all domains but these.
    pub(super) fn retain<'d>(&mut self, domains: impl Iterator<Item = &'d DeployedDomain>) {
        let names: BTreeSet<Name> = domains.map(name_of).collect();
        self.0.retain(|name, _| names.contains(name));
    }
}

fn name_of(domain: &DeployedDomain) -> Name {
    (domain.region.clone(), domain.domain.name.clone())
}
