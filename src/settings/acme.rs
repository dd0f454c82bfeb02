//! Builds what is asked of ACME.

use super::diagnostics::{Mistake, Span};
use super::domains::DomainName;
use super::keys::RawAcme;
use super::reading::{Field, Reading};
use super::values::{TextForm, Unformed, choice};
use crate::model::{Acme, AcmeChallenge, DnsHook};
use crate::tls::{CertificateSource, ServerRoots};

/// The URL of a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct DirectoryUrl(String);

impl TextForm for DirectoryUrl {
    const EXPECTED: &'static str = "the URL of an ACME directory (`https://ca.example.com/acme`)";
    const PATTERN: Option<&'static str> = Some("^https://[^ #]+$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.starts_with("http://") {
            return Err(Unformed::because("ACME is spoken over HTTPS alone"));
        }
        let is_form = text.parse::<hyper::Uri>().is_ok_and(|uri| {
            let has_user = uri.authority().is_some_and(|one| one.as_str().contains('@'));
            uri.scheme_str() == Some("https") && uri.host().is_some() && !has_user
        });
        let is_whole = text.len() <= URL_BYTES_MAX && !text.contains('#');
        (is_form && is_whole).then(|| Self(text.to_owned())).ok_or(Unformed::Form)
    }
}

/// A mail address; with `mailto:` as the authority gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Contact(String);

impl TextForm for Contact {
    const EXPECTED: &'static str = "a mail address (`ops@example.com`)";
    const PATTERN: Option<&'static str> = Some("^(mailto:)?[^ ,?@]+@[^ ,?@]+$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let address = text.strip_prefix("mailto:").unwrap_or(text);
        // A URL of one address and no header fields (RFC 8555 section 7.3).
        let is_part = |part: &str| {
            let is_byte = |byte: u8| byte.is_ascii_graphic() && !b",?@".contains(&byte);
            !part.is_empty() && part.bytes().all(is_byte)
        };
        let is_form = address.split_once('@').is_some_and(|(user, host)| {
            is_part(user) && is_part(host) && address.len() <= CONTACT_BYTES_MAX
        });
        is_form.then(|| Self(format!("mailto:{address}"))).ok_or(Unformed::Form)
    }
}

/// A word of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HookWord(String);

impl TextForm for HookWord {
    const EXPECTED: &'static str = "a program or an argument of it";

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_form = !text.is_empty() && !text.contains('\0');
        is_form.then(|| Self(text.to_owned())).ok_or(Unformed::Form)
    }
}

/// The name of a challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ChallengeName {
    Http01,
    TlsAlpn01,
    Dns01,
}

choice!(ChallengeName {
    "http-01" => ChallengeName::Http01,
    "tls-alpn-01" => ChallengeName::TlsAlpn01,
    "dns-01" => ChallengeName::Dns01,
});

/// `[acme]` as the file has it.
#[derive(Debug)]
pub(super) enum AcmeTable {
    Absent,
    /// Its mistakes were recorded.
    Mistaken,
    Good {
        acme: Acme,
        challenge: Span,
    },
}

impl AcmeTable {
    pub(super) fn build(raw: Option<Field<RawAcme>>, reading: &mut Reading<'_>) -> Self {
        let Some(raw) = raw else { return Self::Absent };
        let challenge = raw.value.challenge.span;
        match build_acme(raw.value, reading) {
            Some(acme) => Self::Good { acme, challenge },
            None => Self::Mistaken,
        }
    }

    pub(super) fn into_acme(self) -> Option<Acme> {
        match self {
            Self::Good { acme, .. } => Some(acme),
            Self::Absent | Self::Mistaken => None,
        }
    }

    /// Records a mistake if `what` wants certificates of ACME and the file says nothing of it.
    pub(super) fn check_present(&self, what: &str, span: Span, reading: &mut Reading<'_>) {
        if matches!(self, Self::Absent) {
            record_no_acme(what, span, reading);
        }
    }

    /// Where the certificate of a domain with `acme = true` is; `span` is of that. `None` if a
    /// mistake was recorded.
    pub(super) fn source(
        &self,
        names: &[Field<DomainName>],
        span: Span,
        reading: &mut Reading<'_>,
    ) -> Option<CertificateSource> {
        let (acme, challenge) = match self {
            Self::Good { acme, challenge } => (acme, *challenge),
            Self::Mistaken => return None,
            Self::Absent => {
                record_no_acme("the domain", span, reading);
                return None;
            }
        };
        for name in names.iter().filter(|name| name.value.0.starts_with("*.")) {
            if !matches!(acme.challenge, AcmeChallenge::Dns01(_)) {
                let message = format!("`{}` can only be proved by dns-01", name.value.0);
                let mistake = Mistake::new(name.span, message).label("a wildcard");
                let mistake = mistake.related(challenge, "another challenge is asked for");
                reading
                    .record(mistake.help("set `challenge = \"dns-01\"` and `dns_hook` in [acme]"));
            }
        }
        if names.len() > NAMES_COUNT_MAX {
            let message = format!(
                "a certificate of ACME has at most {NAMES_COUNT_MAX} names, the domain has {}",
                names.len()
            );
            reading.record(Mistake::new(span, message).help("make two [[domain]] of it"));
        }
        let first = names.first()?;
        let bytes_max = Acme::FIRST_NAME_BYTES_MAX;
        if first.value.0.len() > bytes_max {
            let message =
                format!("the first name of a domain with `acme` has at most {bytes_max} bytes");
            let help = "its file is called after it: put a shorter name first";
            reading.record(Mistake::new(first.span, message).label("too long").help(help));
        }
        Some(CertificateSource::Acme(Acme::certificate_file(&acme.folder, &first.value.0)))
    }
}

/// Records that `what` wants certificates of ACME, which the file does not have.
fn record_no_acme(what: &str, span: Span, reading: &mut Reading<'_>) {
    let message = format!("{what} has `acme`, but the file has no [acme]");
    let help = "add [acme] with `storage_folder` and `terms_agreed = true`";
    reading.record(Mistake::new(span, message).label("from where?").help(help));
}

fn build_acme(raw: RawAcme, reading: &mut Reading<'_>) -> Option<Acme> {
    let challenge = build_challenge(&raw, reading);
    let terms = raw.terms_agreed.map(|agreed| {
        if !agreed.value {
            let message = "no certificate is issued to those who do not agree to the terms";
            let help = "read the terms of service of the authority, then set it to `true`";
            reading.record(Mistake::new(agreed.span, message).label("not agreed").help(help));
        }
    });
    let storage = raw.storage_folder?.value.0;
    terms?;
    let directory_url = raw.directory_url.value.0;
    let folder = Acme::folder_of(&storage, &directory_url);
    let account_file = match raw.account_key_file {
        Some(file) => file.value.0,
        None => folder.join("account.json"),
    };
    Some(Acme {
        directory_url,
        contacts: raw.contacts.value.into_iter().map(|contact| contact.value.0).collect(),
        account_file,
        folder,
        roots: raw.ca_file.map_or(ServerRoots::System, |file| ServerRoots::File(file.value.0)),
        renew_before_days: raw.renew_before_days.value,
        challenge: challenge?,
    })
}

fn build_challenge(raw: &RawAcme, reading: &mut Reading<'_>) -> Option<AcmeChallenge> {
    match raw.challenge.value {
        ChallengeName::Http01 => Some(AcmeChallenge::Http01),
        ChallengeName::TlsAlpn01 => Some(AcmeChallenge::TlsAlpn01),
        ChallengeName::Dns01 => {
            let Some(hook) = &raw.dns_hook else {
                let message = "the challenge \"dns-01\" needs a `dns_hook`";
                let help = "add `dns_hook = [\"PROGRAM\"]`, which adds and removes TXT records";
                let mistake = Mistake::new(raw.challenge.span, message).label("asked for here");
                reading.record(mistake.help(help));
                return None;
            };
            let command = hook.value.0.iter().map(|word| word.value.0.clone()).collect();
            let timeout_ms = raw.dns_hook_timeout_ms.value;
            Some(AcmeChallenge::Dns01(DnsHook { command, timeout_ms }))
        }
    }
}

/// Let's Encrypt's bound, and that of other authorities.
const NAMES_COUNT_MAX: usize = 100;
const URL_BYTES_MAX: usize = 1_024;
/// The longest address that mail is delivered to (RFC 5321 section 4.5.3.1).
const CONTACT_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_https() {
        let long = |bytes: usize| format!("https://{}", "x".repeat(bytes - "https://".len()));
        for url in ["https://ca", "https://ca:14000/dir", "https://[::1]:1/a?b=c", &long(1_024)] {
            assert_eq!(DirectoryUrl::parse(url).expect(url).0, url);
        }
        for url in [
            "",
            "ca",
            "http://ca/dir",
            "https://",
            "https:///dir",
            "https://a b",
            "https://user:secret@ca/dir",
            "https://ca/dir#a",
            &long(1_025),
        ] {
            assert!(DirectoryUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn contacts_are_one_address_each() {
        let url = "mailto:ops@example.com";
        assert_eq!(Contact::parse("ops@example.com").expect("an address").0, url);
        assert_eq!(Contact::parse(url).expect("a URL").0, url);
        let long = |bytes: usize| format!("{}@example.com", "x".repeat(bytes - 12));
        assert!(Contact::parse(&long(254)).is_ok() && Contact::parse(&long(255)).is_err());
        for text in ["", "ops", "@example.com", "ops@", "a@b,c@d", "a@b?cc=c@d", "tel:1", "a b@c"] {
            assert!(Contact::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_of_a_command_are_not_empty() {
        assert!(HookWord::parse("--zone=a b").is_ok());
        assert!(HookWord::parse("").is_err() && HookWord::parse("a\0").is_err());
    }
}
