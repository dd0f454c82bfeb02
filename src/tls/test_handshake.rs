//! Handshakes in memory between the gateway's configurations and a client of rustls.

use std::cell::OnceCell;
use std::ops::DerefMut;
use std::sync::Arc;

use crossbeam::queue::SegQueue;
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, Error, NamedGroup, RootCertStore,
    ServerConfig, ServerConnection, SideData, SupportedProtocolVersion,
};

use super::provider::base_provider;
use super::test_authority::{Authority, Identity, clock};

/// What a client is like.
pub(super) struct TestClient {
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) is_rsa_only: bool,
    pub(super) alpn: Vec<&'static [u8]>,
    pub(super) shown: Option<Arc<CertifiedKey>>,
    pub(super) sessions: Arc<LooseSessions>,
    pub(super) is_early: bool,
    pub(super) roots: RootCertStore,
    /// Made once: a client offers sessions only under the configuration that they were made with.
    pub(super) config: OnceCell<Arc<ClientConfig>>,
}

impl TestClient {
    pub(super) fn new(trusted: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der.clone()).expect("an authority");
        Self {
            versions: rustls::ALL_VERSIONS,
            is_rsa_only: false,
            alpn: Vec::new(),
            shown: None,
            sessions: Arc::default(),
            is_early: false,
            roots,
            config: OnceCell::new(),
        }
    }

    pub(super) fn trusting(mut self, authority: &Authority) -> Self {
        self.roots.add(authority.der.clone()).expect("an authority");
        self
    }

    /// Shows the certificate with others behind it.
    pub(super) fn showing(mut self, identity: &Identity, behind: &[&Authority]) -> Self {
        let mut chain = vec![identity.der.clone()];
        chain.extend(behind.iter().map(|one| one.der.clone()));
        let key = base_provider().key_provider.load_private_key(identity.key_der());
        self.shown = Some(Arc::new(CertifiedKey::new(chain, key.expect("a key"))));
        self
    }

    pub(super) fn connect(&self, name: &str) -> ClientConnection {
        let config = Arc::clone(self.config.get_or_init(|| Arc::new(self.configure())));
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        ClientConnection::new(config, name).expect("a client")
    }

    fn configure(&self) -> ClientConfig {
        let mut provider = (*base_provider()).clone();
        if self.is_rsa_only {
            provider.signature_verification_algorithms.mapping = rsa_schemes();
        }
        // The order of groups is the client's choice; it wants the hybrid ones first.
        provider.kx_groups.sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        let builder = ClientConfig::builder_with_details(Arc::new(provider), clock().provider())
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let resolver = SingleCertAndKey::from(Arc::clone(shown));
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::store(Arc::clone(&self.sessions) as _);
        config.enable_early_data = self.is_early;
        config
    }

    /// A whole handshake. Where it fails, the server's error, or else the client's.
    pub(super) fn handshake(
        &self,
        name: &str,
        config: &Arc<ServerConfig>,
    ) -> Result<(ClientConnection, ServerConnection), Error> {
        let mut client = self.connect(name);
        let mut server = ServerConnection::new(Arc::clone(config)).expect("a server");
        exchange(&mut client, &mut server)?;
        Ok((client, server))
    }
}

/// Passes bytes on until neither side has any. What a side says last reaches the other.
pub(super) fn exchange(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Result<(), Error> {
    loop {
        let to_server = written(client);
        let seen = read(server, &to_server);
        let to_client = written(server);
        let seen_by_client = read(client, &to_client);
        seen?;
        if seen_by_client.is_err() {
            let _ = read(server, &written(client));
            return seen_by_client;
        }
        if to_server.is_empty() && to_client.is_empty() {
            assert!(!client.is_handshaking() && !server.is_handshaking(), "it came to no end");
            return Ok(());
        }
    }
}

/// What the side has to send.
pub(super) fn written<T>(side: &mut impl DerefMut<Target = ConnectionCommon<T>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while side.wants_write() {
        side.write_tls(&mut bytes).expect("into memory");
    }
    bytes
}

pub(super) fn read<T: SideData>(
    side: &mut impl DerefMut<Target = ConnectionCommon<T>>,
    mut bytes: &[u8],
) -> Result<(), Error> {
    while !bytes.is_empty() {
        side.read_tls(&mut bytes).expect("from memory");
        side.process_new_packets()?;
    }
    Ok(())
}

fn rsa_schemes() -> &'static [(
    rustls::SignatureScheme,
    &'static [&'static dyn rustls::pki_types::SignatureVerificationAlgorithm],
)] {
    let all = base_provider().signature_verification_algorithms.mapping;
    let rsa: Vec<_> = all
        .iter()
        .copied()
        .filter(|(scheme, _)| format!("{scheme:?}").starts_with("RSA"))
        .collect();
    Vec::leak(rsa)
}

/// A client that waits for the answer to its first message.
pub(super) fn waiting_client(name: &str) -> ClientConnection {
    let mut client = TestClient::new(&Authority::root("nobody")).connect(name);
    written(&mut client);
    client
}

/// The first message of a client that asks for the name.
pub(super) fn client_hello(name: &str) -> Vec<u8> {
    written(&mut TestClient::new(&Authority::root("nobody")).connect(name))
}

/// Sessions of a client that offers them to whoever it talks to, whatever name they were made
/// under, as an attacker would.
#[derive(Debug, Default)]
pub(super) struct LooseSessions {
    tls12: SegQueue<Tls12ClientSessionValue>,
    tls13: SegQueue<Tls13ClientSessionValue>,
}

impl ClientSessionStore for LooseSessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        while self.tls12.pop().is_some() {}
        self.tls12.push(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let value = self.tls12.pop()?;
        self.tls12.push(value.clone());
        Some(value)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        while self.tls12.pop().is_some() {}
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tls13.push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tls13.pop()
    }
}
