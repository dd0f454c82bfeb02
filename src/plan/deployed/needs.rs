//! Endpoints that integrations name by URL, and that become target groups.

use crate::expr::{HttpUri, Scheme};

/// An endpoint. Everything that makes two of them differ is in its name, so that integrations of all
/// stages that mean the same one share its connections.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Origin {
    /// In lower case; an IPv6 address has its brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// How it is reached over TLS, if it is.
    pub tls: Option<OriginTls>,
}

/// How an endpoint is reached over TLS.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct OriginTls {
    /// Whoever issued its certificate, it is believed.
    pub is_insecure: bool,
    /// The name that its certificate must have, in place of the host's.
    pub server_name: Option<Box<str>>,
    /// The generated client certificate that is shown to it.
    pub client_certificate_id: Option<Box<str>>,
}

impl Origin {
    /// The endpoint of a URI; `tls` is for `https` alone.
    #[must_use]
    pub fn of(uri: &HttpUri, tls: OriginTls) -> Self {
        let is_https = uri.scheme() == Scheme::Https;
        Self { host: uri.host().into(), port: uri.port(), tls: is_https.then_some(tls) }
    }

    /// The name of its target group. No group of the boot file is named with a slash.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { host, port, tls } = self;
        let Some(tls) = tls else { return format!("http://{host}:{port}") };
        let mut name = format!("https://{host}:{port}");
        if tls.is_insecure {
            name.push_str(" insecure");
        }
        for (word, value) in
            [("name", &tls.server_name), ("certificate", &tls.client_certificate_id)]
        {
            if let Some(value) = value {
                name.extend([" ", word, "=", value]);
            }
        }
        name
    }

    /// `host:port`, or the host alone where the port is the scheme's own: what `Host` says.
    #[must_use]
    pub fn authority(&self) -> String {
        let own = if self.tls.is_some() { 443 } else { 80 };
        match self.port == own {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
