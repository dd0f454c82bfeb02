//! Certificates are loaded, or refused with a sentence that names the file.

use rcgen::{DnType, IsCa, KeyPair, SanType, date_time_ymd};

use super::*;
use crate::tls::ocsp;
use crate::tls::test_authority::{
    Authority, Identity, inner_key, now, rsa_key, write, write_secret,
};

fn load(files: &CertificateFiles) -> Result<Loaded<Certificate>, TlsProblem> {
    Certificate::load(files, now())
}

#[track_caller]
fn refused(files: &CertificateFiles, part: &str) -> TlsProblem {
    let problem = load(files).expect_err(part);
    assert!(problem.message.contains(part), "{problem}");
    assert!(problem.file.is_some(), "{problem} names its file");
    problem
}

#[test]
fn a_chain_with_its_key_is_loaded_with_its_facts() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let between = root.below("between");
    let server = between.issue(|params| {
        params.serial_number = Some(vec![0xa1, 0x02].into());
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.subject_alt_names = vec![
            SanType::DnsName("API.example.com".try_into().expect("ASCII")),
            SanType::DnsName("*.b.example.com".try_into().expect("ASCII")),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
    });
    let files = server.write(folder.path(), "server", &[&between.pem(), &root.pem()]);
    let loaded = load(&files).expect("a good certificate");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let certificate = loaded.value;
    assert_eq!(certificate.chain().len(), 3);
    assert_eq!(certificate.kind, KeyKind::Ecdsa);
    let facts = &certificate.facts;
    assert_eq!(facts.subject, "O=Example\\, Inc.,CN=leaf");
    assert_eq!(facts.issuer, "CN=between");
    assert_eq!(facts.serial_number, "a1:02");
    assert_eq!(facts.names, ["api.example.com", "*.b.example.com", "127.0.0.1"]);
    assert_eq!(facts.seconds_left(now()), 1_893_456_000 - 1_780_000_000);
    assert!(facts.covers("x.b.example.com") && !facts.covers("b.example.com"));
}

#[test]
fn keys_are_read_in_each_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    for (kind, key) in
        [(KeyKind::Ecdsa, KeyPair::generate().expect("a key")), (KeyKind::Rsa, rsa_key())]
    {
        let label = if kind == KeyKind::Rsa { "RSA PRIVATE KEY" } else { "EC PRIVATE KEY" };
        let server = root.server_with_key(&["a.example.com"], key);
        let files = server.write(folder.path(), "server", &[]);
        assert_eq!(load(&files).expect("PKCS#8").value.kind, kind);
        let text = pem::write_certificate(&inner_key(&server.key)).replace("CERTIFICATE", label);
        write_secret(&files.key_file, &text);
        assert_eq!(load(&files).expect(label).value.kind, kind);
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let files = root.server_with_key(&["a"], key).write(folder.path(), "server", &[]);
    assert_eq!(load(&files).expect("Ed25519").value.kind, KeyKind::Ed25519);
}

#[test]
fn one_file_may_hold_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Authority::root("root").server(&["a.example.com"]);
    let path = folder.path().join("both.pem");
    write_secret(&path, &(server.pem() + &server.key.serialize_pem()));
    let files =
        CertificateFiles { certificate_file: path.clone(), key_file: path, ocsp_file: None };
    assert_eq!(load(&files).expect("both").value.facts.names, ["a.example.com"]);
}

#[test]
fn a_certificate_may_be_in_no_file() {
    let root = Authority::root("root");
    let (server, other) = (root.server(&["a.example.com"]), root.server(&["a.example.com"]));
    let text = server.text("imported");
    let loaded = Certificate::read(&text, now()).expect("a good certificate");
    assert_eq!(loaded.value.facts.names, ["a.example.com"]);
    assert_eq!(loaded.warnings, [], "no file that others can read");
    assert!(!format!("{text:?}").contains("PRIVATE KEY"), "a key is not shown");
    let stolen = CertificateText { key: other.key.serialize_pem(), ..text.clone() };
    let problem = Certificate::read(&stolen, now()).expect_err("another key");
    assert!(problem.to_string().starts_with("imported: the private key in imported is not"));
    let empty = CertificateText { certificate: String::new(), ..text };
    assert!(Certificate::read(&empty, now()).is_err());
    let nameless = CertificateText { certificate: root.client("c").pem(), ..server.text("n") };
    assert!(Certificate::read(&nameless, now()).is_err());
}

#[test]
fn what_no_client_could_accept_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let (server, other) = (root.server(&["a.example.com"]), root.server(&["a.example.com"]));
    let files = server.write(folder.path(), "server", &[]);

    write_secret(&files.key_file, &other.key.serialize_pem());
    let problem = refused(&files, "is not that of the first certificate");
    assert!(
        problem.to_string().contains("server.pem") && problem.to_string().contains("server.key")
    );

    let files = server.write(folder.path(), "server", &[&Authority::root("stranger").pem()]);
    refused(&files, "certificate 1 (CN=leaf) was not issued by certificate 2 (CN=stranger)");

    let between = root.below("between");
    let files = between.server(&["a"]).write(folder.path(), "server", &[]);
    let text = between.pem() + &std::fs::read_to_string(&files.certificate_file).expect("read");
    write(folder.path(), "server.pem", &text);
    refused(&files, "the first certificate is an authority's (CN=between)");

    let files = root.issue(|_| {}).write(folder.path(), "server", &[]);
    refused(&files, "has no names in its subjectAltName");

    let files = server.write(folder.path(), "server", &[]);
    write(folder.path(), "server.key", "nothing");
    refused(&files, "holds no private key");
    std::fs::remove_file(&files.key_file).expect("removed");
    refused(&files, "cannot be read");
    write(
        folder.path(),
        "server.pem",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    );
    write_secret(&files.key_file, &server.key.serialize_pem());
    refused(&files, "certificate 1 is no X.509 certificate");
}

#[test]
fn what_time_has_broken_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let dated = |from: i32, to: i32| {
        root.issue(|params| {
            params.subject_alt_names = vec![SanType::DnsName("a.b".try_into().expect("ASCII"))];
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    };
    for (identity, part) in [
        (dated(2020, 2026), "expired on Jan  1 00:00:00 2026 GMT"),
        (dated(2027, 2028), "is not valid before Jan  1 00:00:00 2027 GMT"),
    ] {
        let files = identity.write(folder.path(), "server", &[]);
        let loaded = load(&files).expect("it loads");
        assert!(loaded.warnings[0].message.contains(part), "{:?}", loaded.warnings);
        assert_eq!(loaded.warnings.len(), 1);
    }
}

#[test]
fn a_key_that_all_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let files = Authority::root("root").server(&["a.b"]).write(folder.path(), "server", &[]);
    for (mode, count) in [(0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&files.key_file, std::fs::Permissions::from_mode(mode))
            .expect("the mode is set");
        assert_eq!(load(&files).expect("it loads").warnings.len(), count, "{mode:o}");
    }
}

#[test]
fn a_certificate_that_issued_itself_is_enough_for_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = Identity::own(|params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained); // as `openssl req -x509`
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().expect("ASCII"))];
    });
    assert!(load(&own.write(folder.path(), "own", &[])).is_ok());
}

#[test]
fn staples_are_taken_while_they_are_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Authority::root("root").server(&["a.b"]);
    let staple = folder.path().join("server.ocsp");
    let mut files = server.write(folder.path(), "server", &[]);
    files.ocsp_file = Some(staple.clone());
    let response = |end: &str| ocsp::tests::response(&server.serial(), 0x80, end);

    std::fs::write(&staple, response("20270101000000Z")).expect("written");
    let loaded = load(&files).expect("good");
    assert_eq!(loaded.value.key.ocsp, Some(response("20270101000000Z")));
    assert!(loaded.warnings.is_empty());

    std::fs::write(&staple, response("20260101000000Z")).expect("written");
    let loaded = load(&files).expect("over");
    assert_eq!(loaded.value.key.ocsp, None);
    assert!(loaded.warnings[0].message.contains("is over"), "{:?}", loaded.warnings);

    std::fs::write(&staple, ocsp::tests::response(&[1], 0x80, "20270101000000Z")).expect("written");
    refused(&files, "for another certificate");
}

#[test]
fn folders_hold_pairs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let empty = find_in_folder(path).expect_err("empty");
    assert!(empty.message.contains("holds no certificate with a key"), "{empty}");
    assert!(find_in_folder(&path.join("none")).is_err());

    let root = Authority::root("root");
    root.server(&["a.b"]).write(path, "one", &[]);
    let both = root.server(&["c.d"]);
    write_secret(&path.join("two.crt"), &(both.pem() + &both.key.serialize_pem()));
    let full = root.server(&["e.f"]);
    write(path, "fullchain.pem", &full.pem());
    write_secret(&path.join("privkey.pem"), &full.key.serialize_pem());
    write(path, "root.pem", &root.pem());
    write(path, "one.ocsp", "staple");
    write(path, ".hidden.pem", &root.pem());
    write(path, "README", "text");

    let found = find_in_folder(path).expect("three pairs");
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let names: Vec<_> = found
        .iter()
        .map(|one| {
            (name(&one.certificate_file), name(&one.key_file), one.ocsp_file.as_deref().map(name))
        })
        .collect();
    assert_eq!(
        names,
        [
            ("fullchain.pem".into(), "privkey.pem".into(), None),
            ("one.pem".into(), "one.key".into(), Some("one.ocsp".into())),
            ("two.crt".into(), "two.crt".into(), None),
        ]
    );
}
