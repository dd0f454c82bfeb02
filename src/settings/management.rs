//! The management API: where it listens and who may call it.

use super::acme::AcmeTable;
use super::apis::Upstreams;
use super::diagnostics::Mistake;
use super::keys::{
    RawBoundCertificate, RawBoundTrustStore, RawBoundVpcLink, RawCredential, RawManagement,
};
use super::reading::{Field, Reading};
use super::unique::Unique;
use super::values::{TextForm, Unformed};
use crate::control::{
    BoundCertificate, BoundFunction, BoundSource, BoundTrustStore, BoundVpcLink, Credential,
    ManagementOptions, Quotas,
};
use crate::model::ListenerAddress;
use crate::tls::CertificateFiles;

/// A region: `us-east-1`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Region(pub(super) String);

impl TextForm for Region {
    const EXPECTED: &'static str = "a region: lower-case letters, digits and `-`";
    const PATTERN: Option<&'static str> = Some("^[a-z0-9-]{1,64}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_fit) {
            return Ok(Self(text.into()));
        }
        Err(Unformed::Form)
    }
}

/// An account: twelve digits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct AccountId(pub(super) String);

impl TextForm for AccountId {
    const EXPECTED: &'static str = "an account id of twelve digits, as a text";
    const PATTERN: Option<&'static str> = Some("^[0-9]{12}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.into()));
        }
        Err(Unformed::Form)
    }
}

/// The id of an access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct AccessKeyId(pub(super) String);

impl TextForm for AccessKeyId {
    const EXPECTED: &'static str = "an access key id of 3 to 128 letters, digits and `_`";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9_]{3,128}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if (3..=128).contains(&text.len()) && text.bytes().all(is_fit) {
            return Ok(Self(text.into()));
        }
        Err(Unformed::Form)
    }
}

/// A secret. Too short a one could be guessed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Secret(pub(super) String);

impl TextForm for Secret {
    const EXPECTED: &'static str = "a secret of 16 to 256 characters without spaces";
    const PATTERN: Option<&'static str> = Some(r"^\S{16,256}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_fit = (16..=256).contains(&text.chars().count());
        if is_fit && !text.chars().any(|one| one.is_whitespace() || one.is_control()) {
            return Ok(Self(text.into()));
        }
        Err(Unformed::because("a secret has 16 to 256 characters, none of them a space"))
    }
}

/// The ARN of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CertificateArn(pub(super) String);

impl TextForm for CertificateArn {
    const EXPECTED: &'static str =
        "the ARN of a certificate (`arn:aws:acm:REGION:ACCOUNT:certificate/ID`)";
    const PATTERN: Option<&'static str> = Some(r"^arn:\S{1,2044}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_form = text.strip_prefix("arn:").is_some_and(|rest| is_word(rest, 2_044));
        is_form.then(|| Self(text.into())).ok_or(Unformed::Form)
    }
}

/// What a VPC link, or something behind it, is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LinkName(pub(super) String);

impl TextForm for LinkName {
    const EXPECTED: &'static str =
        "the id or an ARN of a VPC link, its target, a listener or a service";
    const PATTERN: Option<&'static str> = Some(r"^\S{1,2048}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        is_word(text, 2_048).then(|| Self(text.into())).ok_or(Unformed::Form)
    }
}

/// How a stage with a canary splits its requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CanarySplitBy {
    Random,
    SourceIp,
}

/// Whether API Gateway needs a function's permission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FunctionPermissions {
    Open,
    Required,
}

/// Where a trust store is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TrustStoreUri(pub(super) String);

impl TextForm for TrustStoreUri {
    const EXPECTED: &'static str = "the URI of a trust store (`s3://BUCKET/KEY`)";
    const PATTERN: Option<&'static str> = Some(r"^s3://[^/\s]+/\S+$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let is_form =
            parts.is_some_and(|(bucket, key)| is_word(bucket, 255) && is_word(key, 1_024));
        is_form.then(|| Self(text.into())).ok_or(Unformed::Form)
    }
}

fn is_word(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && !text.chars().any(|one| one.is_whitespace() || one.is_control())
}

/// Builds the options. An address that other machines reach needs credentials.
pub(super) fn build_management(
    raw: RawManagement,
    functions: Vec<BoundFunction>,
    acme: &AcmeTable,
    upstreams: &Upstreams,
    reading: &mut Reading<'_>,
) -> Option<ManagementOptions> {
    let credentials = build_credentials(raw.credential.value, reading);
    if let ListenerAddress::Tcp(address) = &raw.address.value
        && !address.ip().to_canonical().is_loopback()
        && credentials.is_empty()
    {
        let message = format!(
            "the management API at {address} can be reached by other machines, and has no credentials"
        );
        let help = "add [[management.credential]], or use a loopback address or a unix socket";
        let mistake = Mistake::new(raw.address.span, message).label("not a loopback address");
        reading.record(mistake.help(help));
    }
    let quotas = raw.quotas.value;
    Some(ManagementOptions {
        address: raw.address.value,
        store: raw.store?.value.0,
        audit_log: raw.audit_log.map(|path| path.value.0),
        region: raw.region.value.0,
        account_id: raw.account_id.value.0,
        credentials,
        certificates: build_certificates(raw.certificate.value, acme, reading),
        trust_stores: build_trust_stores(raw.truststore.value, reading),
        vpc_links: build_vpc_links(raw.vpc_link.value, upstreams, reading),
        functions,
        allows_function_folders: raw.function_folders.value,
        needs_function_permissions: raw.function_permissions.value == FunctionPermissions::Required,
        canary_is_sticky: raw.canary_split.value == CanarySplitBy::SourceIp,
        test_mode: raw.test_mode.value,
        quotas: Quotas {
            apis_count_max: quotas.apis_count_max.value,
            resources_count_max: quotas.resources_count_max.value,
            routes_count_max: quotas.routes_count_max.value,
            integrations_count_max: quotas.integrations_count_max.value,
            stages_count_max: quotas.stages_count_max.value,
            authorizers_count_max: quotas.authorizers_count_max.value,
            api_keys_count_max: quotas.api_keys_count_max.value,
            usage_plans_count_max: quotas.usage_plans_count_max.value,
            client_certificates_count_max: quotas.client_certificates_count_max.value,
            vpc_links_count_max: quotas.vpc_links_count_max.value,
            documentation_parts_count_max: quotas.documentation_parts_count_max.value,
            domain_names_count_max: quotas.domain_names_count_max.value,
            routing_rules_count_max: quotas.routing_rules_count_max.value,
            rest_timeout_ms_max: quotas.rest_timeout_ms_max.value,
            http_timeout_ms_max: quotas.http_timeout_ms_max.value,
        },
    })
}

fn build_vpc_links(
    raw: Vec<Field<RawBoundVpcLink>>,
    upstreams: &Upstreams,
    reading: &mut Reading<'_>,
) -> Vec<BoundVpcLink> {
    let mut seen = Unique::new("VPC link");
    let mut links = Vec::new();
    for Field { value: raw, .. } in raw {
        let (Some(arn), Some(upstream)) = (raw.arn, raw.upstream) else { continue };
        seen.add(arn.value.0.clone(), arn.span, reading);
        upstreams.check(&upstream, reading);
        links.push(BoundVpcLink { arn: arn.value.0, upstream: upstream.value.0 });
    }
    links
}

fn build_certificates(
    raw: Vec<Field<RawBoundCertificate>>,
    acme: &AcmeTable,
    reading: &mut Reading<'_>,
) -> Vec<BoundCertificate> {
    let mut seen = Unique::new("certificate");
    let mut certificates = Vec::new();
    for Field { value: raw, span, .. } in raw {
        let arn = raw.arn.map(|arn| {
            seen.add(arn.value.0.clone(), arn.span, reading);
            arn.value.0
        });
        let is_acme = raw.acme.filter(|one| one.value);
        let source = match (raw.certificate_file, is_acme) {
            (Some(file), _) => {
                let certificate_file = file.value.0;
                let key_file = raw.key_file.map(|key| key.value.0);
                BoundSource::Files(CertificateFiles {
                    key_file: key_file.unwrap_or_else(|| certificate_file.clone()),
                    certificate_file,
                    ocsp_file: raw.ocsp_file.map(|ocsp| ocsp.value.0),
                })
            }
            (None, Some(is_acme)) => {
                acme.check_present("the certificate", is_acme.span, reading);
                if let Some(file) = raw.key_file.or(raw.ocsp_file) {
                    let message = "this file belongs to `certificate_file`, which is not there";
                    let mistake = Mistake::new(file.span, message).label("leave it out");
                    reading.record(mistake.related(is_acme.span, "the gateway keeps its own"));
                }
                BoundSource::Acme
            }
            (None, None) => {
                let message =
                    "[[management.certificate]] has neither `certificate_file` nor `acme = true`";
                reading.record(Mistake::new(span, message).label("one is needed"));
                continue;
            }
        };
        certificates.extend(arn.map(|arn| BoundCertificate { arn, source }));
    }
    certificates
}

fn build_trust_stores(
    raw: Vec<Field<RawBoundTrustStore>>,
    reading: &mut Reading<'_>,
) -> Vec<BoundTrustStore> {
    let mut seen = Unique::new("trust store");
    let mut stores = Vec::new();
    for Field { value: raw, .. } in raw {
        let (Some(uri), Some(file)) = (raw.uri, raw.file) else { continue };
        seen.add(uri.value.0.clone(), uri.span, reading);
        stores.push(BoundTrustStore { uri: uri.value.0, file: file.value.0 });
    }
    stores
}

fn build_credentials(raw: Vec<Field<RawCredential>>, reading: &mut Reading<'_>) -> Vec<Credential> {
    let mut seen = Unique::new("access key id");
    let mut credentials = Vec::new();
    for Field { value: raw, .. } in raw {
        let (Some(id), Some(secret), Some(name)) =
            (raw.access_key_id, raw.secret_access_key, raw.name)
        else {
            continue;
        };
        seen.add(id.value.0.clone(), id.span, reading);
        credentials.push(Credential {
            access_key_id: id.value.0,
            secret_access_key: secret.value.0,
            name: name.value.0,
        });
    }
    credentials
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{self, Settings};

    fn parse(management: &str) -> Result<Settings, String> {
        let text = format!(
            "[management]\nstore = \"/state.redb\"\n{management}\n\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
             [[api]]\nname = \"a\"\n[[api.route]]\nkey = \"$default\"\nmock = {{}}\n"
        );
        settings::parse("gateway.toml", &text).map_err(|mistakes| mistakes.to_string())
    }

    fn credential(id: &str, secret: &str) -> String {
        format!(
            "[[management.credential]]\naccess_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n\
             name = \"ci\"\n"
        )
    }

    #[test]
    fn other_machines_need_credentials() {
        let remote = "address = \"0.0.0.0:8081\"\n";
        let said = parse(remote).expect_err("no credentials");
        assert!(said.contains("has no credentials"), "{said}");
        assert!(parse(&format!("{remote}{}", credential("AKID", &"s".repeat(16)))).is_ok());
        for local in ["127.0.0.1:8081", "[::1]:8081", "[::ffff:127.0.0.1]:0", "unix:/run/m.sock"] {
            assert!(parse(&format!("address = \"{local}\"\n")).is_ok(), "{local}");
        }
    }

    #[test]
    fn credentials_have_a_form_and_one_place() {
        let good = credential("AKID", &"s".repeat(16));
        let said = parse(&format!("{good}{good}")).expect_err("twice");
        assert!(said.contains("there twice"), "{said}");
        for bad in [
            credential("A", &"s".repeat(16)),
            credential("AKID", "short"),
            credential("a b c", &"s".repeat(16)),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
        let options = parse(&good).expect("good").management.expect("a table");
        assert!(!format!("{options:?}").contains("ssss"), "a secret is not shown");
        assert_eq!(
            (options.region.as_str(), options.account_id.as_str()),
            ("us-east-1", "000000000000")
        );
    }

    const ARN: &str = "arn:aws:acm:us-east-1:000000000000:certificate/a";

    fn certificate(more: &str) -> String {
        format!("[[management.certificate]]\narn = \"{ARN}\"\n{more}\n")
    }

    #[test]
    fn arns_stand_for_files_or_acme() {
        let parsed = |text: &str| parse(text).expect(text).management.expect("a table");
        let both = certificate("certificate_file = \"/a.pem\"\nkey_file = \"/a.key\"");
        let files = |key: &str| {
            BoundSource::Files(CertificateFiles {
                certificate_file: "/a.pem".into(),
                key_file: key.into(),
                ocsp_file: None,
            })
        };
        let options = parsed(&both);
        assert_eq!(
            (&*options.certificates[0].arn, &options.certificates[0].source),
            (ARN, &files("/a.key"))
        );
        let one = certificate("certificate_file = \"/a.pem\"");
        assert_eq!(parsed(&one).certificates[0].source, files("/a.pem"), "the key is inside");
        let acme = certificate("acme = true");
        let said = parse(&acme).expect_err("from where?");
        assert!(said.contains("the certificate has `acme`, but the file has no [acme]"), "{said}");
        let table = "[acme]\nstorage_folder = \"/acme\"\nterms_agreed = true\n";
        assert_eq!(parsed(&format!("{acme}{table}")).certificates[0].source, BoundSource::Acme);
        let key = certificate("acme = true\nkey_file = \"/a.key\"") + table;
        assert!(parse(&key).expect_err("two").contains("this file belongs to `certificate_file`"));
        for (text, reason) in [
            (
                both.clone() + &both,
                "certificate `arn:aws:acm:us-east-1:000000000000:certificate/a` is there twice",
            ),
            (certificate(""), "neither `certificate_file` nor `acme = true`"),
            (certificate("acme = false"), "neither `certificate_file` nor `acme = true`"),
            (both.replace("arn:", ""), "the ARN of a certificate"),
            (both.replace("000000000000", "a b"), "the ARN of a certificate"),
        ] {
            let said = parse(&text).expect_err(reason);
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn uris_of_trust_stores_stand_for_files() {
        let store = |uri: &str| {
            format!("[[management.truststore]]\nuri = \"{uri}\"\nfile = \"/clients.pem\"\n")
        };
        let good = store("s3://bucket/a/b.pem");
        let options = parse(&good).expect("good").management.expect("a table");
        let bound =
            BoundTrustStore { uri: "s3://bucket/a/b.pem".into(), file: "/clients.pem".into() };
        assert_eq!(options.trust_stores, [bound]);
        assert_eq!(options.paths(), [std::path::PathBuf::from("/clients.pem")]);
        assert!(parse(&format!("{good}{good}")).expect_err("twice").contains("is there twice"));
        for uri in
            ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "https://a/b", "s3://a b/c"]
        {
            assert!(parse(&store(uri)).is_err(), "{uri}");
        }
    }

    /// Domains that are made later have certificates that the file knows nothing of.
    #[test]
    fn a_listener_for_tls_may_wait_for_domains() {
        let listener = "[[listener]]\nname = \"tls\"\naddress = \"127.0.0.1:1\"\ntls = true\n";
        let settings = parse(listener).expect("the management API may add domains");
        let tls = &settings.model.tls.listeners["tls"];
        assert_eq!(tls.default_domain, None, "nobody's certificate is shown to strangers");
    }

    #[test]
    fn accounts_and_regions_have_their_forms() {
        for (line, is_good) in [
            ("account_id = \"123456789012\"", true),
            ("account_id = \"12345678901\"", false),
            ("account_id = \"12345678901x\"", false),
            ("region = \"eu-west-1\"", true),
            ("region = \"EU\"", false),
            ("region = \"\"", false),
        ] {
            assert_eq!(parse(line).is_ok(), is_good, "{line}");
        }
    }
}
