//! What the management API runs with, as the boot file says.

use std::fmt;
use std::path::PathBuf;

use super::function_signing::BoundSigning;
use crate::function::FunctionDefinition;
use crate::model::{FunctionName, FunctionPermission, ListenerAddress};
use crate::tls::CertificateFiles;

/// What the management API runs with.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagementOptions {
    /// Where it listens.
    pub address: ListenerAddress,
    /// The file of the store.
    pub store: PathBuf,
    /// Where every call is recorded, if anywhere.
    pub audit_log: Option<PathBuf>,
    /// The region of requests that name none.
    pub region: String,
    /// The account that everything belongs to.
    pub account_id: String,
    /// Who may call; empty lets anyone on this machine.
    pub credentials: Vec<Credential>,
    /// What ARNs of certificates stand for; no ARN is there twice.
    pub certificates: Vec<BoundCertificate>,
    /// What URIs of trust stores stand for; no URI is there twice.
    pub trust_stores: Vec<BoundTrustStore>,
    /// Where VPC links lead.
    pub vpc_links: Vec<BoundVpcLink>,
    /// Where calls of functions go; no name is there twice.
    pub functions: Vec<BoundFunction>,
    /// How many processes of functions may be there at once on this machine.
    pub functions_concurrency: u32,
    /// Whether the code of a function may be a folder of this machine.
    pub allows_function_folders: bool,
    /// Whether API Gateway needs a function's permission to call it, for functions of the store.
    pub needs_function_permissions: bool,
    /// The requests of one client go all to a stage's canary or all not.
    pub canary_is_sticky: bool,
    /// Whether everything may be removed by one request.
    pub test_mode: bool,
    /// How much of each resource there may be.
    pub quotas: Quotas,
}

impl ManagementOptions {
    /// Every file whose change asks for a reload, whether a domain uses it yet or not.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let files = self.certificates.iter().filter_map(|one| match &one.source {
            BoundSource::Files(files) => Some(files.paths()),
            BoundSource::Acme => None,
        });
        let stores = self.trust_stores.iter().map(|one| one.file.clone());
        let signing = self.functions.iter().filter_map(|one| match &one.way {
            FunctionWay::Endpoint(endpoint) => endpoint.signing.as_ref(),
            FunctionWay::Local(_) => None,
        });
        let secrets = signing.flat_map(BoundSigning::paths);
        files.flatten().chain(stores).chain(secrets).collect()
    }

    /// The functions that run on this machine.
    pub(crate) fn local_functions(&self) -> Vec<FunctionDefinition> {
        let local = self.functions.iter().filter_map(|one| match &one.way {
            FunctionWay::Local(definition) => Some((**definition).clone()),
            FunctionWay::Endpoint(_) => None,
        });
        local.collect()
    }
}

/// What the ARN of a certificate stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundCertificate {
    /// What domain names are given.
    pub arn: String,
    /// Where the certificate is.
    pub source: BoundSource,
}

/// Where the certificate of an ARN is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BoundSource {
    /// In files.
    Files(CertificateFiles),
    /// Where ACME keeps what it issued: one certificate for each domain.
    Acme,
}

/// What the URI of a trust store stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundTrustStore {
    /// What domain names are given.
    pub uri: String,
    /// PEM.
    pub file: PathBuf,
}

/// Where a VPC link leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundVpcLink {
    /// The ARN or the id of the link, the ARN of a target of it, or that of the listener or service
    /// that an integration names.
    pub arn: String,
    /// The name of a target group of the boot file.
    pub upstream: String,
}

/// Where calls of a function go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundFunction {
    /// What integrations call it, or the part of it that counts.
    pub name: FunctionName,
    /// How it is called.
    pub way: FunctionWay,
    /// Which APIs may call it; `None` lets all.
    pub permissions: Option<Vec<FunctionPermission>>,
}

impl BoundFunction {
    /// The one of `all` whose name is closest to what is called, if any stands for it.
    pub(crate) fn closest<'b>(all: &'b [Self], called: &FunctionName) -> Option<&'b Self> {
        let named = all.iter().filter_map(|one| Some((one.name.covers(called)?, one)));
        named.max_by_key(|(closeness, _)| *closeness).map(|(_, function)| function)
    }
}

/// How a function is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FunctionWay {
    /// By a server of Lambda's Invoke API.
    Endpoint(BoundEndpoint),
    /// It runs on this machine.
    Local(Box<FunctionDefinition>),
}

/// A server of Lambda's Invoke API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundEndpoint {
    /// Its host; an IPv6 address has its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is reached over TLS.
    pub is_https: bool,
    /// What it calls the function, if not as integrations do.
    pub remote_name: Option<String>,
    /// How its calls are signed, if they are.
    pub signing: Option<BoundSigning>,
}

/// A key that signs requests.
#[derive(Clone, Eq, PartialEq)]
pub struct Credential {
    /// What requests name it by.
    pub access_key_id: String,
    /// What they are signed with.
    pub secret_access_key: String,
    /// Who holds it, for the audit log.
    pub name: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credential({}, secret)", self.access_key_id)
    }
}

macro_rules! quotas {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:expr,)+) => {
        /// How much of each resource there may be: AWS's quotas by default, and only by default.
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct Quotas {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Quotas {
            /// Each with its name in the boot file.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

quotas! {
    /// REST APIs, and HTTP APIs, of a region.
    apis_count_max: 600,
    /// Resources of a REST API.
    resources_count_max: 300,
    /// Routes of an HTTP or WebSocket API.
    routes_count_max: 300,
    /// Integrations of an HTTP or WebSocket API.
    integrations_count_max: 300,
    /// Stages of an API.
    stages_count_max: 10,
    /// Authorizers of an API.
    authorizers_count_max: 10,
    /// API keys of a region.
    api_keys_count_max: 10_000,
    /// Usage plans of a region.
    usage_plans_count_max: 300,
    /// Client certificates of a region.
    client_certificates_count_max: 60,
    /// VPC links of a region.
    vpc_links_count_max: 20,
    /// Documentation parts of an API.
    documentation_parts_count_max: 2_000,
    /// Custom domain names of a region.
    domain_names_count_max: 120,
    /// Routing rules of a custom domain name.
    routing_rules_count_max: 50,
    /// Longest time-out of a REST API's integration.
    rest_timeout_ms_max: 29_000,
    /// The same where the answer is streamed.
    stream_timeout_ms_max: 900_000,
    /// Longest time-out of an HTTP or WebSocket API's integration.
    http_timeout_ms_max: 30_000,
}
