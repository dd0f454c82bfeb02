//! Domains are loaded, or refused part by part.

use std::path::Path;

use super::*;
use crate::tls::options::{CertificateFiles, MutualTlsOptions, OnInvalid};
use crate::tls::test_authority::{Authority, clock, write};

fn options(names: &[&str], certificates: CertificateSource) -> DomainOptions {
    DomainOptions {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        certificates,
        policy: SecurityPolicy::DEFAULT,
        mutual_tls: None,
        alpn: vec![Alpn::Http11],
    }
}

fn files(files: CertificateFiles) -> CertificateSource {
    CertificateSource::Files(vec![files])
}

fn load(domains: &[DomainOptions]) -> Result<Loaded<ServerTls>, Vec<DomainProblem>> {
    let tickets = Arc::new(TicketKeys::random(60).expect("random"));
    ServerTls::load(domains, &tickets, &clock())
}

fn named(authority: &Authority, folder: &Path, name: &str) -> CertificateSource {
    files(authority.server(&[name]).write(folder, name, &[]))
}

#[test]
fn names_lead_to_domains() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let domains = [
        options(&["a.example.com"], named(&root, folder.path(), "a.example.com")),
        options(&["*.example.com"], named(&root, folder.path(), "*.example.com")),
    ];
    let server = load(&domains).expect("good").value;
    let index = |name, default| server.select(name, default).map(|domain| domain.index);
    assert_eq!(index(Some("a.example.com"), Some(1)), Some(0));
    assert_eq!(index(Some("b.example.com"), Some(0)), Some(1));
    assert_eq!(index(Some("example.org"), Some(0)), Some(0), "the listener's default");
    assert_eq!(index(None, Some(1)), Some(1));
    assert_eq!(index(Some("example.org"), None), None, "refused");
    assert_eq!(index(None, None), None);
    assert_eq!(index(None, Some(2)), None);
    assert_eq!(server.domains()[1].name, "*.example.com");
    assert_eq!(server.domains()[1].certificates[0].facts.names, ["*.example.com"]);
    assert!(server.domains()[0].config.max_early_data_size == 0, "no early data");
}

#[test]
fn a_domain_shows_a_certificate_that_is_in_no_file() {
    let server = Authority::root("root").server(&["a.example.com"]);
    let source = || CertificateSource::Text(server.text("imported"));
    let loaded = load(&[options(&["a.example.com"], source())]).expect("good").value;
    assert_eq!(loaded.domains()[0].certificates[0].facts.names, ["a.example.com"]);
    let problems = load(&[options(&["b.example.com"], source())]).expect_err("another name");
    assert_eq!(problems[0].part, DomainPart::Certificate(0));
    assert!(options(&["a.example.com"], source()).paths().is_empty());
}

/// What ACME has not issued yet, or what is no good of it, is ordered; nobody has to mend it first.
#[test]
fn a_domain_loads_with_whatever_acme_has_issued() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.example.pem");
    let load = |names: &[&str]| {
        let loaded = load(&[options(names, CertificateSource::Acme(path.clone()))]).expect("good");
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        (loaded.value.domains()[0].certificates.len(), warnings.join("\n"))
    };
    let (count, warning) = load(&["a.example", "b.example"]);
    assert_eq!(count, 0);
    assert!(warning.contains("until one for a.example, b.example is issued"), "{warning}");

    let issued = Authority::root("root").server(&["a.example"]).write(folder.path(), "a", &[]);
    let text = |file: &Path| std::fs::read_to_string(file).expect("written");
    let both = text(&issued.key_file) + &text(&issued.certificate_file);
    write(folder.path(), "a.example.pem", &both);
    let (count, warning) = load(&["a.example"]);
    assert_eq!(count, 1);
    assert!(!warning.contains("ordered"), "{warning}");
    let (count, warning) = load(&["a.example", "b.example"]);
    assert_eq!(count, 1, "a name more does not take the others away");
    assert!(warning.contains("not for b.example"), "{warning}");
    assert_eq!(load(&["c.example"]).0, 0, "no client of that name would accept it");

    write(folder.path(), "a.example.pem", "no certificate");
    let (count, warning) = load(&["a.example"]);
    assert_eq!(count, 0);
    assert!(warning.contains("holds no certificate"), "{warning}");
}

#[test]
fn a_domain_with_mutual_tls_is_not_reached_around_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let mut closed = options(&["closed.b"], named(&root, folder.path(), "closed.b"));
    closed.mutual_tls = Some(MutualTlsOptions {
        trust_store_file: write(folder.path(), "trust.pem", &root.pem()),
        crl_files: Vec::new(),
        on_invalid: OnInvalid::Refuse,
    });
    let open = options(&["open.b"], named(&root, folder.path(), "open.b"));
    let server = load(&[open, closed]).expect("good").value;
    let [open, closed] = server.domains() else { panic!("two domains") };
    for (domain, host, may) in [
        (open, "open.b", true),
        (open, "closed.b", false),
        (open, "CLOSED.b", false),
        (open, "closed.b.", false),
        (open, "unknown.b", true),
        (closed, "closed.b", true),
        (closed, "open.b", true),
    ] {
        assert_eq!(server.may_serve(domain, host), may, "{} {host}", domain.name);
    }
}

/// Connections live longer than what was loaded when they were made.
#[test]
fn what_is_asked_of_clients_now_counts_for_connections_of_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let domain = |name: &str, trust: Option<&str>| {
        let mut options = options(&[name], named(&root, folder.path(), name));
        options.mutual_tls = trust.map(|file| MutualTlsOptions {
            trust_store_file: write(folder.path(), file, &root.pem()),
            crl_files: Vec::new(),
            on_invalid: OnInvalid::Refuse,
        });
        options
    };
    let load = |domains: &[DomainOptions]| load(domains).expect("good").value;
    let before = load(&[domain("m.b", Some("one.pem")), domain("open.b", None)]);
    let [mutual, open] = before.domains() else { panic!("two domains") };
    let same = load(&[
        domain("a.b", None),
        domain("n.b", Some("one.pem")),
        domain("m.b", Some("one.pem")),
        domain("open.b", None),
    ]);
    assert!(same.may_serve(mutual, "m.b"), "its place does not matter");
    assert!(same.may_serve(mutual, "open.b") && !same.may_serve(open, "m.b"));
    assert!(!same.may_serve(mutual, "n.b"), "a name of its own, though the store is the same");
    let other = load(&[domain("m.b", Some("other.pem")), domain("open.b", Some("one.pem"))]);
    assert!(!other.may_serve(mutual, "m.b") && !other.may_serve(open, "open.b"));
    let none = load(&[domain("m.b", None)]);
    assert!(none.may_serve(mutual, "m.b") && none.may_serve(open, "m.b"));
}

#[test]
fn every_part_with_a_problem_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let path = folder.path();
    let good = || named(&root, path, "a.b");
    let none = || {
        files(CertificateFiles {
            certificate_file: path.join("none.pem"),
            key_file: path.join("none.key"),
            ocsp_file: None,
        })
    };
    let mut no_store = options(&["c.d"], named(&root, path, "c.d"));
    no_store.mutual_tls = Some(MutualTlsOptions {
        trust_store_file: path.join("none.pem"),
        crl_files: Vec::new(),
        on_invalid: OnInvalid::Refuse,
    });
    let mut bad_list = options(&["e.f"], named(&root, path, "e.f"));
    bad_list.mutual_tls = Some(MutualTlsOptions {
        trust_store_file: write(path, "trust.pem", &root.pem()),
        crl_files: vec![path.join("none.crl")],
        on_invalid: OnInvalid::Refuse,
    });
    let domains = [
        options(&["a.b", "x.y"], good()),
        options(&["a.b"], good()),
        options(&["other.b"], good()),
        options(&["g.h"], none()),
        options(&["i.j"], CertificateSource::Folder(path.join("none"))),
        no_store,
        bad_list,
        options(&["k\0.l"], named(&root, path, "m.n")),
    ];
    let problems = load(&domains).expect_err("problems");
    let found: Vec<_> = problems.iter().map(|one| (one.domain, one.part)).collect();
    assert_eq!(
        found,
        [
            (0, DomainPart::Name(1)),
            (1, DomainPart::Name(0)),
            (2, DomainPart::Certificate(0)),
            (3, DomainPart::Certificate(0)),
            (4, DomainPart::Folder),
            (5, DomainPart::TrustStore),
            (6, DomainPart::RevocationList(0)),
            (7, DomainPart::Name(0)),
            (7, DomainPart::Certificate(0)),
        ],
        "{problems:#?}"
    );
    let message = &problems[2].problem;
    assert!(message.message.contains("is for a.b, not for other.b"), "{message}");
}

#[test]
fn a_folder_gives_each_domain_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    for name in ["a.b", "c.d", "*.e.f"] {
        root.server(&[name]).write(folder.path(), name, &[]);
    }
    let source = || CertificateSource::Folder(folder.path().to_owned());
    let domains = [options(&["a.b", "x.e.f"], source()), options(&["c.d"], source())];
    let server = load(&domains).expect("good").value;
    let names = |index: usize| {
        let domain = &server.domains()[index];
        domain.certificates.iter().flat_map(|one| one.facts.names.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["*.e.f", "a.b"]);
    assert_eq!(names(1), ["c.d"]);
    let problems = load(&[options(&["a.b", "x.y"], source())]).expect_err("no certificate");
    assert_eq!(problems[0].part, DomainPart::Name(1));
}

#[test]
fn a_policy_that_claims_more_than_the_build_has_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut domain = options(&["a.b"], named(&Authority::root("root"), folder.path(), "a.b"));
    domain.policy = SecurityPolicy::find("SecurityPolicy_TLS13_1_3_FIPS_2025_09").expect("known");
    let warnings = load(&[domain]).expect("good").warnings;
    assert!(warnings[0].message.contains("no FIPS-validated module"), "{warnings:?}");
}

#[test]
fn the_files_to_watch_are_all_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut domain = options(&["a.b"], named(&Authority::root("root"), folder.path(), "a.b"));
    assert_eq!(domain.paths().len(), 2);
    domain.mutual_tls = Some(MutualTlsOptions {
        trust_store_file: "t".into(),
        crl_files: vec!["c".into(), "d".into()],
        on_invalid: OnInvalid::Forbid,
    });
    assert_eq!(domain.paths().len(), 5);
    domain.certificates = CertificateSource::Folder("f".into());
    assert_eq!(domain.paths()[0], Path::new("f"));
}
