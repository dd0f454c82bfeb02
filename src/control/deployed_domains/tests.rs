//! Domains that TLS serves, and what is told of those that it does not.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;
use crate::control::management::{BoundCertificate, BoundTrustStore, Quotas};
use crate::model::{
    DnsHook, EndpointAccessMode, EndpointType, ListenerAddress, MutualTlsAuthentication,
    RoutingMode,
};
use crate::tls::{CertificateFiles, CertificateText, ServerRoots};

const ARN: &str = "arn:aws:acm:us-east-1:000000000000:certificate/a";
const URI: &str = "s3://bucket/truststore.pem";

fn text(name: &str) -> CertificateText {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    CertificateText { name: "arn:imported".into(), certificate, key: key.serialize_pem() }
}

fn write_pair(folder: &Path, name: &str) -> CertificateFiles {
    let text = text(name);
    let (certificate_file, key_file) = (folder.join("a.pem"), folder.join("a.key"));
    std::fs::write(&certificate_file, text.certificate).expect("written");
    std::fs::write(&key_file, text.key).expect("written");
    CertificateFiles { certificate_file, key_file, ocsp_file: None }
}

fn write_trust_store(folder: &Path) -> PathBuf {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&KeyPair::generate().expect("a key")).expect("signed");
    let file = folder.join("clients.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    file
}

fn options() -> ManagementOptions {
    ManagementOptions {
        address: ListenerAddress::Unix("/m.sock".into()),
        store: "/state.redb".into(),
        audit_log: None,
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        credentials: Vec::new(),
        certificates: Vec::new(),
        trust_stores: Vec::new(),
        vpc_links: Vec::new(),
        functions: Vec::new(),
        allows_function_folders: false,
        needs_function_permissions: false,
        canary_is_sticky: false,
        test_mode: false,
        quotas: Quotas::default(),
    }
}

fn bound(source: BoundSource) -> ManagementOptions {
    let certificates = vec![BoundCertificate { arn: ARN.into(), source }];
    ManagementOptions { certificates, ..options() }
}

fn stored(name: &str, arn: Option<&str>, certificate: Option<CertificateText>) -> StoredDomain {
    let domain = DomainName {
        name: name.into(),
        endpoint_types: vec![EndpointType::Regional],
        routing_mode: RoutingMode::ApiMappingOnly,
        access_mode: EndpointAccessMode::Basic,
        security_policy: "TLS_1_2".into(),
        certificate_arn: arn.map(str::to_owned),
        mutual_tls: None,
    };
    let (mappings, rules) = (Vec::new(), Vec::new());
    let deployed =
        DeployedDomain { region: "us-east-1".into(), domain, mappings, rules, is_closed: false };
    StoredDomain { deployed, certificate }
}

fn with_mutual_tls(mut stored: StoredDomain) -> StoredDomain {
    stored.deployed.domain.mutual_tls =
        Some(MutualTlsAuthentication { truststore_uri: URI.into(), truststore_version: None });
    stored
}

fn deploy(stored: &[StoredDomain], options: &ManagementOptions, boot: &Tls) -> DeployedDomains {
    deploy_after(&mut LastCertificates::default(), stored, options, boot)
}

fn deploy_after(
    last: &mut LastCertificates,
    stored: &[StoredDomain],
    options: &ManagementOptions,
    boot: &Tls,
) -> DeployedDomains {
    let deployed = deployed_domains(stored, options, boot, last, &Clock::fixed(1_780_000_000));
    assert_eq!(deployed.addresses.len(), stored.len());
    deployed
}

fn only_problem(deployed: &DeployedDomains) -> String {
    match &deployed.problems[..] {
        [one] => one.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_files_of_an_arn_are_served_with_policy_and_trust_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = bound(BoundSource::Files(write_pair(folder.path(), "a.example.com")));
    let file = write_trust_store(folder.path());
    options.trust_stores = vec![BoundTrustStore { uri: URI.into(), file: file.clone() }];
    let mut own = with_mutual_tls(stored("a.example.com", Some(ARN), None));
    own.deployed.domain.security_policy = "SecurityPolicy_TLS13_1_3_2025_09".into();
    let deployed = deploy(&[own], &options, &Tls::default());
    assert_eq!(deployed.problems, []);
    let served = &deployed.tls[0].options;
    assert_eq!(served.names, ["a.example.com"]);
    assert_eq!(served.policy.name, "SecurityPolicy_TLS13_1_3_2025_09");
    assert_eq!(served.mutual_tls.as_ref().map(|mutual| &mutual.trust_store_file), Some(&file));
    assert!(!deployed.addresses[0].is_closed);
    assert_eq!(options.paths(), served.paths(), "all of them are watched");
}

#[test]
fn an_imported_certificate_is_served_unless_its_arn_is_bound() {
    let own = stored("a.example.com", Some(ARN), Some(text("a.example.com")));
    let deployed = deploy(std::slice::from_ref(&own), &options(), &Tls::default());
    assert_eq!(deployed.problems, []);
    assert!(matches!(deployed.tls[0].options.certificates, CertificateSource::Text(_)));
    let folder = tempfile::tempdir().expect("a folder");
    let options = bound(BoundSource::Files(write_pair(folder.path(), "a.example.com")));
    let deployed = deploy(&[own], &options, &Tls::default());
    assert!(matches!(deployed.tls[0].options.certificates, CertificateSource::Files(_)));
}

/// One domain's mistake keeps neither the others nor its own plain HTTP from being served.
#[test]
fn a_domain_without_usable_certificate_is_served_over_plain_http() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = || stored("good.example.com", None, Some(text("good.example.com")));
    let unusable = CertificateText { key: "none".into(), ..text("a.example.com") };
    let missing = CertificateFiles::of_one(&folder.path().join("none.pem"));
    for (own, options, reason) in [
        (stored("a.example.com", None, None), options(), "it has no certificate"),
        (stored("a.example.com", Some(ARN), None), options(), "has the ARN arn:aws:acm"),
        (
            stored("a.example.com", None, Some(unusable)),
            options(),
            "arn:imported: holds no private key",
        ),
        (
            stored("a.example.com", None, Some(text("b.c"))),
            options(),
            "is for b.c, not for a.example.com",
        ),
        (
            stored("a.example.com", Some(ARN), None),
            bound(BoundSource::Files(missing)),
            "cannot be read",
        ),
    ] {
        let deployed = deploy(&[own, good()], &options, &Tls::default());
        let said = only_problem(&deployed);
        assert!(said.starts_with("domain name a.example.com (us-east-1): "), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(said.ends_with("; it is served over plain HTTP only"), "{said}");
        assert_eq!(deployed.tls.len(), 1);
        assert_eq!(deployed.tls[0].options.names, ["good.example.com"]);
        assert!(!deployed.addresses[0].is_closed);
    }
}

#[test]
fn a_domain_whose_clients_cannot_be_asked_for_certificates_is_closed() {
    let imported = || stored("a.example.com", None, Some(text("a.example.com")));
    let deployed = deploy(&[with_mutual_tls(imported())], &options(), &Tls::default());
    let said = only_problem(&deployed);
    assert!(said.contains("has the URI s3://bucket/truststore.pem"), "{said}");
    assert!(said.ends_with("it is not served at all, as its clients must show certificates"));
    assert!(deployed.tls.is_empty() && deployed.addresses[0].is_closed);
    // The boot file's domain of the name may ask for certificates, or not.
    let deployed = deploy(&[imported()], &options(), &Tls::default());
    let mut boot = Tls { domains: deployed.tls, ..Tls::default() };
    let mutual = with_mutual_tls(imported());
    let closed = deploy(std::slice::from_ref(&mutual), &options(), &boot);
    assert!(closed.tls.is_empty() && closed.addresses[0].is_closed);
    boot.domains[0].options.mutual_tls = Some(MutualTlsOptions {
        trust_store_file: "/clients.pem".into(),
        crl_files: Vec::new(),
        on_invalid: OnInvalid::Refuse,
    });
    assert!(!deploy(&[mutual], &options(), &boot).addresses[0].is_closed);
}

#[test]
fn the_boot_file_wins_and_the_first_region() {
    let own = || stored("a.example.com", None, Some(text("a.example.com")));
    let first = deploy(&[own()], &options(), &Tls::default());
    let boot = Tls { domains: first.tls, ..Tls::default() };
    let deployed = deploy(&[own()], &options(), &boot);
    assert!(deployed.tls.is_empty() && !deployed.addresses[0].is_closed);
    assert!(only_problem(&deployed).contains("[[domain]] of the boot file has the name too"));
    let deployed = deploy(&[own(), own()], &options(), &Tls::default());
    assert_eq!(deployed.tls.len(), 1);
}

#[test]
fn acme_orders_for_each_domain_that_has_its_arn() {
    let acme = |challenge| Acme {
        directory_url: "https://ca".into(),
        contacts: Vec::new(),
        account_file: "/acme/account.json".into(),
        folder: "/acme/ca".into(),
        roots: ServerRoots::System,
        renew_before_days: 30,
        challenge,
    };
    let boot = |challenge| Tls { acme: Some(acme(challenge)), ..Tls::default() };
    let options = bound(BoundSource::Acme);
    let names = ["a.example.com", "*.b.example.com"];
    let stored = names.map(|name| stored(name, Some(ARN), None));
    let deployed = deploy(&stored, &options, &boot(AcmeChallenge::Http01));
    assert!(only_problem(&deployed).contains("(us-east-1): a wildcard can only be proved"));
    let file = CertificateSource::Acme("/acme/ca/a.example.com.pem".into());
    assert_eq!(deployed.tls[0].options.certificates, file);
    let hook = DnsHook { command: vec!["/hook".into()], timeout_ms: 1_000 };
    let deployed = deploy(&stored, &options, &boot(AcmeChallenge::Dns01(hook)));
    assert_eq!((deployed.problems.len(), deployed.tls.len()), (0, 2));
    let deployed = deploy(&stored, &options, &Tls::default());
    assert_eq!((deployed.problems.len(), deployed.tls.len()), (2, 0), "no [acme]");
}

#[test]
fn the_oldest_policy_is_served_without_what_is_broken() {
    let mut own = stored("a.example.com", None, Some(text("a.example.com")));
    own.deployed.domain.security_policy = "TLS_1_0".into();
    let deployed = deploy(std::slice::from_ref(&own), &options(), &Tls::default());
    assert!(only_problem(&deployed).ends_with("it is served as TLS_1_2"));
    assert_eq!(deployed.tls[0].options.policy.name, "TLS_1_2");
    own.deployed.domain.security_policy = "TLS_9".into();
    let deployed = deploy(&[own], &options(), &Tls::default());
    assert!(only_problem(&deployed).contains("there is no security policy TLS_9"));
    assert!(deployed.tls.is_empty());
}

#[test]
fn a_certificate_whose_files_cannot_be_used_is_shown_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = write_pair(folder.path(), "a.example.com");
    let options = bound(BoundSource::Files(files.clone()));
    let own = [stored("a.example.com", Some(ARN), None)];
    let (mut last, boot) = (LastCertificates::default(), Tls::default());
    let mut deploy = |stored: &[StoredDomain], options: &ManagementOptions| {
        deploy_after(&mut last, stored, options, &boot)
    };
    assert_eq!(deploy(&own, &options).problems, []);
    let key = std::fs::read(&files.key_file).expect("a key");
    for _ in 0..2 {
        std::fs::write(&files.key_file, text("a.example.com").key).expect("written");
        let deployed = deploy(&own, &options);
        assert!(only_problem(&deployed).ends_with("; the certificate of before is shown on"));
        assert!(matches!(deployed.tls[0].options.certificates, CertificateSource::Text(_)));
        std::fs::remove_file(&files.key_file).expect("removed");
        assert_eq!(deploy(&own, &options).tls.len(), 1);
    }
    // It is that of these files, and of this domain, alone.
    let others = CertificateFiles::of_one(&folder.path().join("none.pem"));
    assert!(deploy(&own, &bound(BoundSource::Files(others))).tls.is_empty());
    std::fs::write(&files.key_file, key).expect("written");
    let deployed = deploy(&own, &options);
    assert_eq!(deployed.problems, []);
    assert!(matches!(deployed.tls[0].options.certificates, CertificateSource::Files(_)));
    deploy(&[], &options);
    std::fs::remove_file(&files.key_file).expect("removed");
    assert!(deploy(&own, &options).tls.is_empty(), "it was deleted in between");
}
