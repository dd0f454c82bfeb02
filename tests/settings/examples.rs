//! Every file in `config/` loads and compiles; the generated ones are up to date.

use std::path::{Path, PathBuf};

use shardgate::model::{
    Acme, AcmeChallenge, DnsHook, Forwarding, Integration, Limits, ListenerTls, TicketKeySource,
};
use shardgate::tls::{CertificateSource, OnInvalid, SecurityPolicy, ServerRoots};
use shardgate::{plan, settings};

fn config_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// Every `.toml` below `config/`.
pub(crate) fn config_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![config_dir()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).expect("config/ is in the repository") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_example_loads_and_compiles() {
    let files = config_files();
    for feature in [
        "access-log",
        "acme",
        "functions",
        "gateway",
        "grpc",
        "health-and-retries",
        "host-routing",
        "http2",
        "management",
        "mock",
        "per-core",
        "proxy-protocol",
        "quickstart",
        "redirect",
        "routing",
        "stages",
        "throttling",
        "tls",
        "timeouts-and-limits",
        "unix-sockets",
        "upstream-balancing",
    ] {
        let path = config_dir().join(feature).with_extension("toml");
        assert!(files.contains(&path), "config/{feature}.toml is missing");
    }
    for file in files {
        let settings = settings::load(&file).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
        if let Err(errors) = plan::compile(&settings.model, 1) {
            panic!("\n{:?}", settings.diagnose_plan(&errors));
        }
    }
}

#[test]
fn the_commented_file_is_what_the_table_of_keys_makes() {
    check_generated("gateway.toml", &settings::commented_example());
}

#[test]
fn the_schema_is_what_the_table_of_keys_makes() {
    check_generated("gateway.schema.json", &format!("{:#}\n", settings::json_schema()));
}

fn check_generated(name: &str, expected: &str) {
    let path = config_dir().join(name);
    if std::env::var_os("SHARDGATE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, expected).expect("config/ can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let is_same = found == expected;
    assert!(is_same, "config/{name} is out of date: SHARDGATE_BLESS=1 cargo test --test settings");
}

/// A default or an example in the commented file that is no legal value would mislead, and nobody
/// would see it as long as it stays a comment.
#[test]
fn the_commented_file_loads_with_every_setting_made_live() {
    let example = settings::commented_example();
    let live: String = example.lines().map(|line| live_line(line).to_owned() + "\n").collect();
    assert_ne!(live, example);
    let settings = settings::parse("live", &live).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
    assert!(settings.admin.is_some(), "[admin] is live");
    assert_eq!(settings.process.cores.len(), 1);
    assert!(settings.model.access_log.is_some(), "[access_log] is live");
    assert!(settings.model.target_groups[0].health.is_some(), "[upstream.health] is live");
    assert_eq!(settings.model.tls.domains.len(), 1, "[[domain]] is live");
    assert_eq!(settings.model.tls.listeners.len(), 1, "[listener.tls] is live");
    assert_eq!(settings.model.tls.upstreams.len(), 1, "[upstream.tls] is live");
    assert!(settings.model.tls.acme.is_some(), "[acme] is live");
}

fn live_line(line: &str) -> &str {
    let setting = line.strip_prefix('#').unwrap_or_default();
    let is_setting = setting.starts_with(|first: char| first == '[' || first.is_ascii_lowercase());
    if is_setting { setting } else { line }
}

#[test]
fn a_domain_with_acme_has_its_certificate_in_the_storage() {
    let settings = super::parse(&super::small_file(
        r#"
        [[listener]]
        name = "secure"
        address = "127.0.0.1:1"
        tls = true
        [acme]
        storage_folder = "/acme"
        terms_agreed = true
        contacts = ["ops@example.com"]
        challenge = "dns-01"
        dns_hook = ["/hook", "--zone", "a"]
        [[domain]]
        names = ["*.a.example", "a.example"]
        acme = true
        "#,
    ));
    let tls = settings.unwrap_or_else(|mistakes| panic!("\n{mistakes}")).model.tls;
    let folder = PathBuf::from("/acme/acme-v02.api.letsencrypt.org-directory");
    let hook = DnsHook {
        command: ["/hook", "--zone", "a"].map(str::to_owned).into(),
        timeout_ms: 120_000,
    };
    let acme = Acme {
        directory_url: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        contacts: vec!["mailto:ops@example.com".to_owned()],
        account_file: folder.join("account.json"),
        folder: folder.clone(),
        roots: ServerRoots::System,
        renew_before_days: 30,
        challenge: AcmeChallenge::Dns01(hook),
    };
    assert_eq!(tls.acme, Some(acme));
    let file = folder.join("+.a.example.pem");
    assert_eq!(tls.domains[0].options.certificates, CertificateSource::Acme(file));
}

#[test]
fn the_commented_file_shows_every_key() {
    let example = settings::commented_example();
    let schema = settings::json_schema();
    let definitions = schema["definitions"].as_object().expect("definitions");
    for (table, definition) in definitions {
        for key in definition["properties"].as_object().expect("properties").keys() {
            let is_shown = example.contains(&format!("{key} = "))
                || example.contains(&format!("{key}]"))
                || example.contains(&format!(".{key}.")); // a table by its header
            assert!(is_shown, "{table}.{key}");
        }
    }
}

/// The defaults of the file and those of the model are one set of numbers.
#[test]
fn a_small_file_has_the_defaults_of_the_model() {
    let settings = super::parse(super::SMALL).expect("well formed");
    assert_eq!(settings.model.limits, Limits::default());
    assert_eq!(settings.model.forwarding, Forwarding::default());
    assert!(settings.admin.is_none());
    assert!(settings.model.access_log.is_none());
    assert!(settings.model.account_throttle.is_none());
}

/// A default is text that is read when its key is absent: each must be readable.
#[test]
fn tables_without_keys_have_their_defaults() {
    let text = r#"
        [process]
        [[process.core]]
        core = 0
        [admin]
        [[listener]]
        name = "public"
        address = "127.0.0.1:0"
        [[listener]]
        name = "secure"
        address = "127.0.0.1:0"
        tls = true
        [tls]
        [[domain]]
        names = ["a.example.com"]
        certificates = [{ certificate_file = "a.pem", key_file = "a.key" }]
        mutual_tls = { trust_store_file = "trust.pem" }
        [limits]
        [timeouts]
        [forwarding]
        [account]
        [[upstream]]
        name = "backend"
        targets = [{ address = "127.0.0.1:9000" }]
        retry = {}
        tls = {}
        health = {}
        outlier = {}
        [[api]]
        name = "orders"
        [[api.route]]
        key = "GET /a"
        mock = {}
        [[api.route]]
        key = "GET /b"
        redirect = { location = "/" }
        [[api.route]]
        key = "GET /c"
        upstream = "backend"
        [access_log]
    "#;
    let settings = super::parse(text).unwrap_or_else(|mistakes| panic!("\n{mistakes}"));
    let group = &settings.model.target_groups[0];
    assert_eq!(group.targets[0].weight, 1);
    assert_eq!(group.retry.attempts_max, 1);
    assert_eq!(group.health.as_ref().map(|health| health.interval_ms), Some(5_000));
    assert_eq!(group.outlier.map(|outlier| outlier.ejected_percent_max), Some(50));
    assert_eq!(settings.process.drain_timeout_ms, 30_000);
    let tls = &settings.model.tls;
    let secure = ListenerTls { default_domain: Some(0), handshake_timeout_ms: 10_000 };
    assert_eq!(tls.listeners.iter().collect::<Vec<_>>(), [(&"secure".to_owned(), &secure)]);
    assert_eq!(tls.ticket_keys, TicketKeySource::Random);
    let domain = &tls.domains[0].options;
    assert_eq!(domain.policy.name, "TLS_1_2"); // AWS's
    assert_eq!(domain.mutual_tls.as_ref().map(|one| one.on_invalid), Some(OnInvalid::Refuse));
    let upstream = &tls.upstreams["backend"];
    assert_eq!(upstream.roots, ServerRoots::System);
    assert!(!upstream.insecure_skip_verification, "targets are verified");
    assert_eq!(upstream.policy, SecurityPolicy::UPSTREAM_DEFAULT);
    let address = settings.admin.map(|admin| format!("{:?}", admin.address));
    assert_eq!(address.as_deref(), Some("Tcp(127.0.0.1:9901)"));
    assert_eq!(settings.model.access_log.map(|log| log.path).as_deref(), Some("-"));
    let Integration::Proxy(proxy) = &settings.model.apis[0].stage.routes[2].integration else {
        panic!("the third route has an upstream");
    };
    assert_eq!(proxy.timeout_ms, 29_000); // AWS's
}
