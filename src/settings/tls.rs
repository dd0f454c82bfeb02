//! Builds what listeners and target groups make of TLS, and the keys of session tickets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::diagnostics::{Mistake, Span};
use super::domains::DomainSpans;
use super::hosts::is_host_name;
use super::keys::{RawListener, RawListenerTls, RawTls, RawUpstream};
use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::unique::record_unknown;
use super::values::{TextForm, Unformed, choice};
use crate::model::{Acme, Domain, ListenerTls, TargetProtocol, TicketKeySource, Tls};
use crate::tls::{Alpn, CertificateFiles, CertificateMaterial, ServerRoots, UpstreamTlsOptions};

/// `true` for a table of defaults, `false` for none, or the table.
#[derive(Debug)]
pub(super) struct Switch<T>(pub(super) Option<T>);

impl<T: Value> Value for Switch<T> {
    fn shape(bound: Option<Bound>) -> Shape {
        Shape::OneOf(vec![Shape::Boolean, T::shape(bound)])
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        match node.value {
            DeValue::Boolean(false) => Some(Self(None)),
            DeValue::Boolean(true) => {
                let value = DeValue::Table(DeTable::new());
                let node = Node { value: &value, ..node };
                T::read(node, reading).map(|value| Self(Some(value)))
            }
            DeValue::Table(_) => T::read(node, reading).map(|value| Self(Some(value))),
            _ => {
                node.wrong_type(&Self::shape(None), reading);
                None
            }
        }
    }
}

/// What a client gets that asks for no known name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UnknownName {
    Default,
    Refuse,
}

choice!(UnknownName { "default" => UnknownName::Default, "refuse" => UnknownName::Refuse });

/// Roots that need no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RootsName {
    System,
    Mozilla,
}

choice!(RootsName { "system" => RootsName::System, "mozilla" => RootsName::Mozilla });

/// The name of a server: a host name or an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ServerNameText(pub(super) String);

impl TextForm for ServerNameText {
    const EXPECTED: &'static str = "a host name or an IP address, without port";

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_form = is_host_name(text) || text.parse::<std::net::IpAddr>().is_ok();
        is_form.then(|| Self(text.into())).ok_or(Unformed::Form)
    }
}

/// Where what TLS is asked for stands in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsSpans {
    pub(super) domains: Vec<DomainSpans>,
    /// By the names of listeners: `tls` or `redirect_to_https`.
    pub(super) listeners: BTreeMap<String, Span>,
    /// By the names of target groups.
    pub(super) upstreams: BTreeMap<String, UpstreamSpans>,
    pub(super) ticket_keys: Option<Span>,
}

/// Where a group's TLS stands, and the files that it names.
#[derive(Clone, Debug)]
pub(super) struct UpstreamSpans {
    whole: Span,
    files: Vec<(PathBuf, Span)>,
}

impl UpstreamSpans {
    /// The place of the file; of the whole if it is none of the files.
    pub(super) fn span(&self, file: Option<&Path>) -> Span {
        let found = self.files.iter().find(|(path, _)| Some(path.as_path()) == file);
        found.map_or(self.whole, |(_, span)| *span)
    }
}

/// Builds what is asked of TLS, from tables that others read further.
pub(super) struct TlsBuilder {
    /// Some domain has a mistake, so what seems to be missing may be that one's.
    is_incomplete: bool,
    /// The management API may add domains.
    may_have_more: bool,
    tls: Tls,
    spans: TlsSpans,
}

impl TlsBuilder {
    /// `written_count` is of domains in the file.
    pub(super) fn new(
        written_count: usize,
        (domains, domain_spans): (Vec<Domain>, Vec<DomainSpans>),
        acme: Option<Acme>,
        may_have_more: bool,
    ) -> Self {
        let is_incomplete = domains.len() < written_count;
        let spans = TlsSpans { domains: domain_spans, ..TlsSpans::default() };
        Self { is_incomplete, may_have_more, tls: Tls { domains, acme, ..Tls::default() }, spans }
    }

    pub(super) fn add_tickets(&mut self, raw: RawTls) {
        self.tls.ticket_rotation_ms = raw.ticket_rotation_ms.value;
        self.tls.expiry_warning_days = raw.expiry_warning_days.value;
        if let Some(file) = raw.ticket_key_file {
            self.spans.ticket_keys = Some(file.span);
            self.tls.ticket_keys = TicketKeySource::File(file.value.0);
        }
    }

    /// Takes TLS out of the listener.
    pub(super) fn add_listener(&mut self, raw: &mut RawListener, reading: &mut Reading<'_>) {
        let Some(name) = raw.name.as_ref().map(|name| name.value.0.clone()) else { return };
        if let Some(port) = &raw.redirect_to_https {
            self.spans.listeners.insert(name.clone(), port.span);
            self.tls.redirects.insert(name.clone(), port.value);
        }
        if let Some(Field { value: Switch(Some(tls)), span, .. }) = raw.tls.take() {
            let listener = self.build_listener(&tls, span, reading);
            self.spans.listeners.insert(name.clone(), span);
            self.tls.listeners.insert(name, listener);
        }
    }

    fn build_listener(
        &self,
        raw: &RawListenerTls,
        span: Span,
        reading: &mut Reading<'_>,
    ) -> ListenerTls {
        let domains = &self.tls.domains;
        if domains.is_empty() && !self.is_incomplete && !self.may_have_more {
            let message =
                "the listener has `tls`, but the file has no [[domain]] with a certificate";
            let help = "add [[domain]] with `names` and `certificates`";
            reading.record(Mistake::new(span, message).label("no certificate to show").help(help));
        }
        let default = match (&raw.default_domain, raw.unknown_name.value) {
            (Some(name), UnknownName::Refuse) => {
                let message = "`default_domain` has no meaning where unknown names are refused";
                let mistake = Mistake::new(name.span, message).label("leave it out");
                reading.record(mistake.related(raw.unknown_name.span, "refused here"));
                None
            }
            (None, UnknownName::Refuse) => None,
            (None, UnknownName::Default) => Some(0),
            (Some(name), UnknownName::Default) => {
                let has_name = |domain: &Domain| domain.options.names.contains(&name.value.0);
                let found = domains.iter().position(has_name);
                if found.is_none() && !domains.is_empty() && !self.is_incomplete {
                    let names = domains.iter().flat_map(|domain| domain.options.names.clone());
                    let names: Vec<_> = names.collect();
                    record_unknown("domain", &name.value.0, name.span, &names, reading);
                }
                found
            }
        };
        ListenerTls {
            default_domain: default.filter(|index| *index < domains.len()),
            handshake_timeout_ms: raw.handshake_timeout_ms.value,
        }
    }

    /// Takes TLS out of the target group.
    pub(super) fn add_upstream(&mut self, raw: &mut RawUpstream) {
        let Some(name) = raw.name.as_ref().map(|name| name.value.0.clone()) else { return };
        let Some(Field { value: Switch(Some(tls)), span, .. }) = raw.tls.take() else { return };
        let mut spans = UpstreamSpans { whole: span, files: Vec::new() };
        let roots = match (tls.ca_file, tls.roots.value) {
            (Some(file), _) => {
                spans.files.push((file.value.0.clone(), file.span));
                ServerRoots::File(file.value.0)
            }
            (None, RootsName::System) => ServerRoots::System,
            (None, RootsName::Mozilla) => ServerRoots::Mozilla,
        };
        let client_certificate = tls.client_certificate.and_then(|field| {
            let (certificate, key) = (field.value.certificate_file?, field.value.key_file?);
            spans.files.push((certificate.value.0.clone(), certificate.span));
            spans.files.push((key.value.0.clone(), key.span));
            let (certificate_file, key_file) = (certificate.value.0, key.value.0);
            let files = CertificateFiles { certificate_file, key_file, ocsp_file: None };
            Some(CertificateMaterial::Files(files))
        });
        let options = UpstreamTlsOptions {
            roots,
            server_name: tls.server_name.map(|name| name.value.0),
            insecure_skip_verification: tls.insecure_skip_verification.value,
            client_certificate,
            policy: tls.security_policy.value.0,
            alpn: vec![match raw.protocol.value {
                TargetProtocol::Http1 => Alpn::Http11,
                TargetProtocol::Http2 => Alpn::H2,
            }],
        };
        self.spans.upstreams.insert(name.clone(), spans);
        self.tls.upstreams.insert(name, options);
    }

    /// Records domains that no listener would ever answer for.
    pub(super) fn finish(self, reading: &mut Reading<'_>) -> (Tls, TlsSpans) {
        let first = self.spans.domains.first().and_then(DomainSpans::first);
        if let (Some(span), true) = (first, self.tls.listeners.is_empty()) {
            let message = "no listener has `tls`, so no client reaches the domain";
            let help = "add `tls = true` to a [[listener]]";
            reading.record(Mistake::new(span, message).label("not served").help(help));
        }
        (self.tls, self.spans)
    }
}
