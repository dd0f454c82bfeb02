//! A gateway with a listener for TLS, and custom domain names of TLS.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::authority::{Authority, Files, Identity};
use super::client::{TlsClient, Wants};
use super::harness::{Answer, Managed, RestApi, eventually};

/// Believed authorities, their files, and what the boot file binds of them: the ARN of `NAME` in
/// [`Setup::arn`] to `NAME.pem`, and the trust store of [`TRUST_STORE`] to `clients.pem`.
pub(crate) struct Setup {
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
    pub(crate) files: Files,
    tables: String,
}

/// What stands for `clients.pem`.
pub(crate) const TRUST_STORE: &str = "s3://bucket/clients.pem";

impl Setup {
    /// Certificates for these names, each of which is its ARN's.
    pub(crate) fn new(names: &[&str]) -> Self {
        let (servers, clients) = (Authority::root("servers"), Authority::root("clients"));
        let files = Files::new();
        files.write("clients.pem", clients.pem());
        let mut tables = format!(
            "[[listener]]\nname = \"tls\"\naddress = \"127.0.0.1:0\"\ntls = true\n\n\
             [[management.truststore]]\nuri = \"{TRUST_STORE}\"\nfile = \"{}\"\n\n",
            files.path("clients.pem").display()
        );
        for name in names {
            tables += &bind(&servers, &files, name);
        }
        Self { servers, clients, files, tables }
    }

    /// Makes a certificate for one more name; the table that binds its ARN.
    pub(crate) fn bind(&self, name: &str) -> String {
        bind(&self.servers, &self.files, name)
    }

    /// The ARN of the certificate for `name`.
    pub(crate) fn arn(name: &str) -> String {
        format!("arn:aws:acm:us-east-1:111111111111:certificate/{}", name.replace('*', "wild"))
    }

    pub(crate) fn start(&self) -> Managed {
        self.start_with("")
    }

    /// Starts it with more tables in the boot file.
    pub(crate) fn start_with(&self, tables: &str) -> Managed {
        Managed::start_with(&format!("{}{tables}", self.tables))
    }

    /// A boot file whose store is elsewhere, for one gateway after the other.
    pub(crate) fn configuration(&self, store: &Path) -> String {
        format!(
            "[management]\naddress = \"127.0.0.1:0\"\nstore = \"{}\"\n\n\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\n{}",
            store.display(),
            self.tables
        )
    }

    /// What a client without a certificate wants.
    pub(crate) fn wants(&self) -> Wants<'_> {
        Wants::of(&self.servers)
    }
}

fn bind(servers: &Authority, files: &Files, name: &str) -> String {
    let file = name.replace('*', "wild");
    files.write_identity(&file, &servers.server(&[name]));
    let path = |end: &str| files.path(&format!("{file}.{end}")).display().to_string();
    let (certificate, key) = (path("pem"), path("key"));
    format!(
        "[[management.certificate]]\narn = \"{}\"\ncertificate_file = \"{certificate}\"\n\
         key_file = \"{key}\"\n\n",
        Setup::arn(name)
    )
}

pub(crate) fn tls_address(site: &Managed) -> SocketAddr {
    site.gateway().address("tls")
}

/// CreateDomainName of the first generation, with `more` members.
#[track_caller]
pub(crate) fn create_domain(site: &Managed, name: &str, more: Json) {
    let mut body = json!({
        "domainName": name, "endpointConfiguration": { "types": ["REGIONAL"] },
        "regionalCertificateArn": Setup::arn(name), "securityPolicy": "TLS_1_2",
    });
    let Json::Object(more) = more else { panic!("no object: {more}") };
    body.as_object_mut().expect("an object").extend(more);
    site.management().post("/domainnames", &body);
}

/// CreateBasePathMapping of the empty path to the stage `prod`.
#[track_caller]
pub(crate) fn map(site: &Managed, name: &str, api: &RestApi<'_>) {
    let body = json!({ "restApiId": api.id(), "stage": "prod" });
    site.management().post(&format!("/domainnames/{name}/basepathmappings"), &body);
}

/// UpdateDomainName.
#[track_caller]
pub(crate) fn patch(site: &Managed, name: &str, operations: &[Json]) {
    site.management().patch(&format!("/domainnames/{name}"), operations);
}

/// A REST API whose stage `prod` answers `GET /x` with `body`.
#[track_caller]
pub(crate) fn api_that_says<'g>(site: &'g Managed, body: &str) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.mock("/x", "GET", body);
    api.deploy("prod");
    api
}

/// `GET /x` of a host, by a handshake for `name`.
pub(crate) fn ask(site: &Managed, wants: &Wants<'_>, name: &str, host: &str) -> io::Result<Answer> {
    TlsClient::try_connect(tls_address(site), &wants.config(), name)?.try_get(host, "/x")
}

/// Asks until the answer has this status.
#[track_caller]
pub(crate) fn ask_for(site: &Managed, wants: &Wants<'_>, name: &str, status: u16) -> Answer {
    eventually(|| match ask(site, wants, name, name) {
        Ok(answer) if answer.status == status => Ok(answer),
        other => Err(format!("{name}: {other:?}")),
    })
}

/// Asks until there is no handshake, or no answer over it; what the client says of that.
#[track_caller]
pub(crate) fn ask_in_vain(site: &Managed, wants: &Wants<'_>, name: &str) -> String {
    eventually(|| match ask(site, wants, name, name) {
        Err(error) => Ok(error.to_string()),
        Ok(answer) => Err(format!("{name} is answered {}", answer.head)),
    })
}

/// The certificate that is shown for `name`.
pub(crate) fn shown(site: &Managed, wants: &Wants<'_>, name: &str) -> io::Result<Vec<u8>> {
    let client = TlsClient::try_connect(tls_address(site), &wants.config(), name)?;
    let certificates = client.session().peer_certificates().expect("after the handshake");
    Ok(certificates[0].to_vec())
}

/// Its first certificate.
pub(crate) fn leaf(identity: &Identity) -> Vec<u8> {
    identity.chain[0].to_vec()
}
