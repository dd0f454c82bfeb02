//! Builds the domains.

use super::acme::AcmeTable;
use super::diagnostics::{Mistake, Span};
use super::fields::HeaderName;
use super::hosts::is_host_name;
use super::keys::{RawCertificate, RawDomain, RawMutualTls};
use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::unique::Unique;
use super::values::{OneOrMore, TextForm, Unformed, choice};
use crate::model::{CertificateHeaders, Domain};
use crate::tls::{
    Alpn, CertificateFiles, CertificateSource, DomainOptions, DomainPart, MutualTlsOptions,
    SecurityPolicy,
};

/// A name of a domain: `api.example.com`, or `*.example.com`. Lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct DomainName(pub(super) String);

impl TextForm for DomainName {
    const EXPECTED: &'static str = "a host name (`api.example.com`), or `*.` and a host name";
    const PATTERN: Option<&'static str> =
        Some(r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.parse::<std::net::IpAddr>().is_ok() {
            return Err(Unformed::because("clients ask for names, never for addresses"));
        }
        let is_form = is_host_name(text.strip_prefix("*.").unwrap_or(text));
        is_form.then(|| Self(text.to_ascii_lowercase())).ok_or(Unformed::Form)
    }
}

/// The name of a security policy.
#[derive(Clone, Debug)]
pub(super) struct PolicyName(pub(super) &'static SecurityPolicy);

impl Value for PolicyName {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Choice(SecurityPolicy::ALL.iter().map(|policy| policy.name.into()).collect())
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(name) = node.value.as_str() else {
            node.wrong_type(&Self::shape(None), reading);
            return None;
        };
        match SecurityPolicy::find(name) {
            Ok(policy) => return Some(Self(policy)),
            // A name of AWS that is refused has its reason; another name is none of them.
            Err(problem) if name == "TLS_1_0" => {
                let mistake = Mistake::new(node.span, problem.message).label("not offered");
                let help = problem.help.unwrap_or_default();
                reading.record(mistake.help(help));
            }
            Err(_) => node.wrong_value(&Self::shape(None), reading),
        }
        None
    }
}

/// The name of a protocol inside TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Protocol(pub(super) Alpn);

choice!(Protocol {
    "h2" => Protocol(Alpn::H2),
    "http/1.1" => Protocol(Alpn::Http11),
});

/// Where a domain's parts stand in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct DomainSpans {
    names: Vec<Span>,
    certificates: Vec<Span>,
    folder: Option<Span>,
    policy: Span,
    trust_store: Option<Span>,
    lists: Vec<Span>,
}

impl DomainSpans {
    pub(super) fn span(&self, part: DomainPart) -> Option<Span> {
        match part {
            DomainPart::Name(index) => self.names.get(index).copied(),
            DomainPart::Certificate(index) => self.certificates.get(index).copied(),
            DomainPart::Folder => self.folder,
            DomainPart::Policy => Some(self.policy),
            DomainPart::TrustStore => self.trust_store,
            DomainPart::RevocationList(index) => self.lists.get(index).copied(),
        }
    }

    /// The place of the first name, for a mistake of the domain as a whole.
    pub(super) fn first(&self) -> Option<Span> {
        self.names.first().copied()
    }
}

/// Builds the domains. One without names is left out; that was recorded.
pub(super) fn build_domains(
    raw: Option<Field<OneOrMore<RawDomain>>>,
    acme: &AcmeTable,
    reading: &mut Reading<'_>,
) -> (Vec<Domain>, Vec<DomainSpans>) {
    let mut names = Unique::new("domain");
    let (mut domains, mut spans) = (Vec::new(), Vec::new());
    for Field { value: raw, span, .. } in raw.map(|list| list.value.0).unwrap_or_default() {
        for name in raw.names.iter().flat_map(|names| &names.value.0) {
            names.add(name.value.0.clone(), name.span, reading);
        }
        if let Some((domain, own)) = build_domain(raw, span, acme, reading) {
            domains.push(domain);
            spans.push(own);
        }
    }
    (domains, spans)
}

fn build_domain(
    raw: RawDomain,
    span: Span,
    acme: &AcmeTable,
    reading: &mut Reading<'_>,
) -> Option<(Domain, DomainSpans)> {
    let mut spans = DomainSpans { policy: raw.security_policy.span, ..DomainSpans::default() };
    let is_acme = raw.acme.filter(|one| one.value);
    let certificates = match (raw.certificates, raw.certificate_folder, is_acme) {
        (Some(list), _, _) => {
            let list = list.value.0;
            spans.certificates = list.iter().map(|one| one.span).collect();
            let files: Option<_> = list.into_iter().map(|one| build_files(one.value)).collect();
            CertificateSource::Files(files?)
        }
        (None, Some(folder), _) => {
            spans.folder = Some(folder.span);
            CertificateSource::Folder(folder.value.0)
        }
        (None, None, Some(is_acme)) => {
            acme.source(&raw.names.as_ref()?.value.0, is_acme.span, reading)?
        }
        (None, None, None) => {
            let message =
                "[[domain]] has neither `certificates` nor `certificate_folder` nor `acme = true`";
            let help = "add `certificates = [{ certificate_file = \"...\", key_file = \"...\" }]`";
            reading.record(Mistake::new(span, message).label("one is needed").help(help));
            return None;
        }
    };
    let names = raw.names?.value.0;
    spans.names = names.iter().map(|name| name.span).collect();
    let mut headers = CertificateHeaders::default();
    let mutual_tls = match raw.mutual_tls {
        None => None,
        Some(mutual) => {
            let mutual = mutual.value;
            headers.certificate = build_header(mutual.certificate_header.as_ref(), reading);
            headers.subject = build_header(mutual.subject_header.as_ref(), reading);
            Some(build_mutual_tls(mutual, &mut spans)?)
        }
    };
    let options = DomainOptions {
        names: names.into_iter().map(|name| name.value.0).collect(),
        certificates,
        policy: raw.security_policy.value.0,
        mutual_tls,
        alpn: raw.protocols.value.0.into_iter().map(|one| one.value.0).collect(),
    };
    Some((Domain { options, certificate_headers: headers }, spans))
}

fn build_files(raw: RawCertificate) -> Option<CertificateFiles> {
    Some(CertificateFiles {
        certificate_file: raw.certificate_file?.value.0,
        key_file: raw.key_file?.value.0,
        ocsp_file: raw.ocsp_file.map(|file| file.value.0),
    })
}

fn build_mutual_tls(raw: RawMutualTls, spans: &mut DomainSpans) -> Option<MutualTlsOptions> {
    let trust_store = raw.trust_store_file?;
    spans.trust_store = Some(trust_store.span);
    let lists = raw.crl_files.value;
    spans.lists = lists.iter().map(|list| list.span).collect();
    Some(MutualTlsOptions {
        trust_store_file: trust_store.value.0,
        crl_files: lists.into_iter().map(|list| list.value.0).collect(),
        on_invalid: raw.on_invalid.value,
    })
}

/// A header of that name would change what a request is, or where it goes.
fn build_header(raw: Option<&Field<HeaderName>>, reading: &mut Reading<'_>) -> Option<String> {
    let raw = raw?;
    let name = raw.value.0.to_ascii_lowercase();
    if FRAMING_HEADERS.contains(&name.as_str()) {
        let message = format!("the header `{name}` has a meaning of its own");
        reading.record(Mistake::new(raw.span, message).label("use another name"));
    }
    Some(name)
}

const FRAMING_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names_are_host_names_with_or_without_a_wildcard() {
        for name in ["api.example.com", "*.example.com", "localhost", "A.B", "_x.y"] {
            assert_eq!(DomainName::parse(name).expect(name).0, name.to_ascii_lowercase());
        }
        for name in ["", "*", "*.", "a.*", "*.*.a", "a:443", "10.0.0.1", "::1", "https://a", "a."] {
            assert!(DomainName::parse(name).is_err(), "{name}");
        }
    }
}
