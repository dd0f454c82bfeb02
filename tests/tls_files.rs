//! The files of TLS as users meet them: `check` loads them all and draws every mistake at its place.
//! Against the real binary, with certificates made here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A folder with `ca.pem`, `api.pem` and `api.key` for api.example.com.
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        files.write("ca.pem", &params.self_signed(&key).expect("a certificate").pem());
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["api.example.com".into()]).expect("a name");
        files.write("api.pem", &params.signed_by(&own, &issuer).expect("a certificate").pem());
        files.write_secret("api.key", &own.serialize_pem());
        files.write_secret("other.key", &KeyPair::generate().expect("a key").serialize_pem());
        files.write_secret("ticket.keys", &"ab".repeat(32));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn write_secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(name, text);
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).expect("the mode is set");
    }

    /// Runs a command in the folder on a file of this text.
    fn perform(&self, command: &str, text: &str) -> Output {
        self.write("gateway.toml", text);
        shardgate(command, self.folder.path())
    }
}

fn shardgate(command: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shardgate"))
        .args([command, "--config", "gateway.toml"])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const GOOD: &str = r#"[process]
shards = 1
[tls]
ticket_key_file = "ticket.keys"
[[listener]]
name = "public"
address = "127.0.0.1:0"
tls = true
[[domain]]
names = ["api.example.com"]
certificates = [{ certificate_file = "api.pem", key_file = "api.key" }]
mutual_tls = { trust_store_file = "ca.pem" }
[[upstream]]
name = "backend"
targets = ["127.0.0.1:9000"]
tls = { ca_file = "ca.pem", client_certificate = { certificate_file = "api.pem", key_file = "api.key" } }
[[api]]
name = "orders"
route = [{ key = "$default", upstream = "backend" }]
"#;

#[test]
fn check_loads_every_file() {
    let files = Files::new();
    let output = files.perform("check", GOOD);
    let summary = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(summary.ends_with("1 upstream, 1 domain\n"), "{summary}");
    assert!(!summary.contains("warning"), "{summary}");
}

#[test]
fn what_is_odd_is_a_warning() {
    let files = Files::new();
    let odd = GOOD
        .replace("ca_file = \"ca.pem\"", "insecure_skip_verification = true")
        .replace("tls = true", "tls = {}")
        .replace(
            "certificates =",
            "security_policy = \"SecurityPolicy_TLS13_1_3_FIPS_2025_09\"\ncertificates =",
        );
    let output = files.perform("check", &odd);
    let summary = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let warnings: Vec<_> =
        summary.lines().filter(|line| line.contains("gateway.toml: warning: ")).collect();
    assert_eq!(warnings.len(), 2, "{summary}");
    assert!(warnings[0].contains("no FIPS-validated module"), "{summary}");
    assert!(warnings[1].contains("upstream backend: insecure_skip_verification"), "{summary}");
}

#[test]
fn every_file_with_a_mistake_is_drawn_where_it_is_named() {
    let files = Files::new();
    files.write("ticket.keys", "no key");
    let bad = GOOD
        .replace("key_file = \"api.key\" }]", "key_file = \"other.key\" }]")
        .replace("trust_store_file = \"ca.pem\"", "trust_store_file = \"none.pem\"")
        .replace("ca_file = \"ca.pem\"", "ca_file = \"api.key\"");
    let output = files.perform("check", &bad);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let drawing = text(&output.stderr);
    for part in [
        "gateway.toml:4:19",
        "ticket.keys: line 1: is no 64 hexadecimal digits",
        "gateway.toml:11:17",
        "api.pem: the private key in other.key is not that of the first certificate",
        "gateway.toml:12:35",
        "none.pem: cannot be read: No such file",
        "gateway.toml:16:19",
        "api.key: holds no certificate; it holds PrivateKey",
        "help: ",
        "gateway.toml: 4 mistakes",
    ] {
        assert!(drawing.contains(part), "{part} is not in\n{drawing}");
    }
}

#[test]
fn a_domain_without_a_certificate_for_its_name_is_told_which() {
    let files = Files::new();
    let bad = GOOD.replace("[\"api.example.com\"]", "[\"api.example.com\", \"www.example.com\"]");
    let output = files.perform("check", &bad);
    let drawing = text(&output.stderr);
    assert!(drawing.contains("gateway.toml:10:29"), "{drawing}");
    assert!(drawing.contains("no certificate of the domain is for www.example.com"), "{drawing}");
}

/// A listener that was asked for TLS must not serve in the clear.
#[test]
fn run_refuses_files_that_cannot_be_loaded() {
    let files = Files::new();
    let bad = GOOD.replace("ca_file = \"ca.pem\"", "ca_file = \"none.pem\"");
    let output = files.perform("run", &bad);
    let drawing = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{drawing}");
    assert!(drawing.contains("none.pem: cannot be read: No such file"), "{drawing}");
}
