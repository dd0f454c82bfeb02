//! What testssl.sh (Debian package `testssl.sh`) thinks of the gateway: protocols, ciphers, what a
//! server shows, and the attacks that have names.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use serde_json::Value as Json;

use super::authority::{Identity, begin_at, expire_at, now_seconds};
use super::harness::Gateway;
use super::site::{DONE, FAILURES, Site, assert_sound, external, nobody};

/// Findings that are no fault of the gateway's, by their ids. Every other finding has to be OK or
/// for information.
const JUSTIFIED: [(&str, &str); 3] = [
    ("engine_problem", "it is about the openssl that testssl.sh calls: it has no GOST"),
    (
        "sessionresumption_ticket",
        "openssl may close before the tickets of TLS 1.3 come, and then has none to try; our own \
         tests resume sessions",
    ),
    ("cert_revocation", "the certificate of this test names no CRL and no OCSP responder"),
];

/// What has to be found, so that a check that testssl.sh leaves out does not pass for a good one.
const EXPECTED: [(&str, &str); 33] = [
    ("SSLv2", "not offered"),
    ("SSLv3", "not offered"),
    ("TLS1", "not offered"),
    ("TLS1_1", "not offered"),
    ("TLS1_2", "offered"),
    ("TLS1_3", "offered"),
    ("NPN", "not offered"),
    ("ALPN", "http/1.1"),
    ("cipherlist_NULL", "not offered"),
    ("cipherlist_aNULL", "not offered"),
    ("cipherlist_EXPORT", "not offered"),
    ("cipherlist_LOW", "not offered"),
    ("cipherlist_3DES_IDEA", "not offered"),
    ("cipherlist_AVERAGE", "not offered"),
    ("cipherlist_STRONG", "offered"),
    ("TLS_timestamp", "random"),
    ("cert_chain_of_trust", "passed"),
    ("heartbleed", "not vulnerable"),
    ("CCS", "not vulnerable"),
    ("ticketbleed", "not vulnerable"),
    ("ROBOT", "not vulnerable"),
    ("secure_renego", "supported"),
    ("secure_client_renego", "not vulnerable"),
    ("CRIME_TLS", "not vulnerable"),
    ("BREACH", "not vulnerable"),
    ("POODLE_SSL", "not vulnerable"),
    ("SWEET32", "not vulnerable"),
    ("FREAK", "not vulnerable"),
    ("DROWN", "not vulnerable"),
    ("LOGJAM", "not vulnerable"),
    ("BEAST", "not vulnerable"),
    ("LUCKY13", "not vulnerable"),
    ("RC4", "not vulnerable"),
];

/// Checks that are not made, by the ids under which testssl.sh says so.
const LEFT_OUT: [(&str, &str); 1] = [("DNS_CAArecord", "the tests ask no name server")];

/// Words of a finding that is none.
const NO_FINDING: [&str; 6] =
    ["skipped", "not tested", "test failed", "failed to", "timed out", "unable to"];

/// A certificate as authorities issue them today.
fn ordinary(site: &Site) -> Identity {
    const DAY: i64 = 86_400;
    site.servers.issue(|params| {
        let names = rcgen::CertificateParams::new(vec!["a.example".into()]).expect("a name");
        params.subject_alt_names = names.subject_alt_names;
        params.distinguished_name.push(DnType::CommonName, "a.example");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        begin_at(params, now_seconds() - DAY);
        expire_at(params, now_seconds() + 89 * DAY);
    })
}

/// Every finding by its id; `None` if there is no testssl.sh and need not be. testssl.sh now and
/// then writes a report that is no JSON, and then is asked once more.
fn scan(gateway: &Gateway, authority: &Path, report: &Path) -> Option<BTreeMap<String, Json>> {
    let first = scan_once(gateway, authority, report)?;
    let findings = match first {
        Ok(findings) => findings,
        Err(reason) => {
            eprintln!("once more: {reason}");
            scan_once(gateway, authority, report)?.unwrap_or_else(|reason| panic!("{reason}"))
        }
    };
    let id = |finding: &Json| text(finding, "id");
    Some(findings.into_iter().map(|finding| (id(&finding), finding)).collect())
}

/// The findings, or what is there in their place.
fn scan_once(
    gateway: &Gateway,
    authority: &Path,
    report: &Path,
) -> Option<Result<Vec<Json>, String>> {
    // It does not write over one.
    let _ = std::fs::remove_file(report);
    let address = gateway.address("public");
    let mut command = Command::new("testssl");
    command.args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]);
    command.args(["--connect-timeout", "20", "--openssl-timeout", "20"]);
    command.args(["--protocols", "--std", "--server-defaults", "--vulnerable"]);
    command.arg("--add-ca").arg(authority).arg("--jsonfile").arg(report);
    command.args(["--ip", "127.0.0.1", &format!("a.example:{}", address.port())]);
    let output = external(command.output(), "testssl.sh")?;
    let text = std::fs::read_to_string(report).unwrap_or_default();
    Some(serde_json::from_str(&text).map_err(|error| {
        format!("no report: {error}\n{text}\n{}", String::from_utf8_lossy(&output.stdout))
    }))
}

fn text(finding: &Json, key: &str) -> String {
    finding[key].as_str().unwrap_or_default().to_owned()
}

/// Why a finding is not to be accepted.
fn objection(id: &str, finding: &Json) -> Option<String> {
    let is_listed = |list: &[(&str, &str)]| list.iter().any(|(one, _)| *one == id);
    let (severity, said) = (text(finding, "severity"), text(finding, "finding"));
    if !matches!(&*severity, "OK" | "INFO") && !is_listed(&JUSTIFIED) {
        return Some(format!("{id}: {severity}: {said}"));
    }
    let is_none = NO_FINDING.iter().any(|words| said.to_ascii_lowercase().contains(words));
    (is_none && !is_listed(&LEFT_OUT)).then(|| format!("{id} was not looked into: {said}"))
}

#[test]
fn testssl_finds_nothing_that_is_not_accounted_for() {
    let site = Site::new(nobody());
    site.files.write_identity("a", &ordinary(&site));
    site.files.write("servers.pem", site.servers.pem());
    let gateway = site.start();
    let mut bystander = site.connect(&gateway);
    let (authority, report) = (site.files.path("servers.pem"), site.files.path("report.json"));
    let Some(findings) = scan(&gateway, &authority, &report) else { return };
    let mut objections: Vec<_> =
        findings.iter().filter_map(|(id, finding)| objection(id, finding)).collect();
    for (id, expected) in EXPECTED {
        let said = findings.get(id).map(|finding| text(finding, "finding")).unwrap_or_default();
        if !said.starts_with(expected) {
            objections.push(format!("{id}: {said:?}, and not {expected:?}"));
        }
    }
    if !findings.contains_key("scanTime") {
        objections.push("the scan did not come to its end".into());
    }
    assert!(objections.is_empty(), "testssl.sh:\n{}", objections.join("\n"));
    assert_eq!(bystander.get("a.example", "/mock").status, 200);
    assert!(gateway.metric(DONE, "") > 1.0 && gateway.metric(FAILURES, "") > 1.0);
    drop(bystander);
    assert_sound(&gateway);
}

#[test]
fn a_finding_is_objected_to_unless_it_is_listed() {
    let finding =
        |severity: &str, said: &str| serde_json::json!({ "severity": severity, "finding": said });
    for (id, finding, is_objected) in [
        ("ROBOT", finding("OK", "not vulnerable"), false),
        ("ROBOT", finding("CRITICAL", "VULNERABLE"), true),
        ("cert_revocation", finding("HIGH", "Neither CRL nor OCSP URI provided"), false),
        ("DNS_CAArecord", finding("INFO", "check skipped as instructed"), false),
        ("heartbleed", finding("INFO", "Test failed, non reproducible"), true),
        ("BEAST", finding("LOW", "potentially"), true),
        ("TLS1", finding("WARN", "not tested"), true),
    ] {
        assert_eq!(objection(id, &finding).is_some(), is_objected, "{id} {finding}");
    }
}
