//! Which client certificates are believed, and why others are not.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CustomExtension, DnType, DnValue, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, NameConstraints, SanType, date_time_ymd,
};

use super::*;
use crate::tls::client_certificate::ClientCertificate;
use crate::tls::test_authority::{Authority, Identity, now, rsa_key, write};
use crate::tls::trust_store::STORE_COUNT_MAX;

struct Store {
    folder: tempfile::TempDir,
    options: MutualTlsOptions,
}

impl Store {
    fn new(bundle: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let trust_store_file = write(folder.path(), "trust.pem", &bundle.concat());
        let on_invalid = OnInvalid::Refuse;
        let options = MutualTlsOptions { trust_store_file, crl_files: Vec::new(), on_invalid };
        Self { folder, options }
    }

    fn with_list(mut self, name: &str, list: &str) -> Self {
        let file = write(self.folder.path(), name, list);
        self.options.crl_files.push(file);
        self
    }

    fn load(&self) -> Loaded<Arc<ClientTrust>> {
        ClientTrust::load(&self.options, now()).expect("a good trust store")
    }

    fn judge(&self, identity: &Identity, behind: &[&Authority]) -> ClientVerdict {
        let mut shown = vec![identity.der.clone()];
        shown.extend(behind.iter().map(|one| one.der.clone()));
        self.load().value.judge(Some(&shown), now())
    }
}

const fn distrust(reason: Distrust) -> ClientVerdict {
    ClientVerdict::Untrusted(reason)
}

#[test]
fn clients_of_authorities_in_the_store_are_trusted() {
    let root = Authority::root("root");
    let between = root.below("between");
    let store = Store::new(&[root.pem(), between.pem()]);
    assert!(store.load().warnings.is_empty());
    assert_eq!(store.judge(&root.client("a"), &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&between.client("a"), &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&between.client("a"), &[&between]), ClientVerdict::Trusted);
    let without_usage = root.issue(|_| {});
    assert_eq!(store.judge(&without_usage, &[]), ClientVerdict::Trusted);
    let any_usage = root.issue(|params| params.extended_key_usages.clear());
    assert_eq!(store.judge(&any_usage, &[]), ClientVerdict::Trusted);
    assert_eq!(store.load().value.judge(None, now()), ClientVerdict::Absent);
    assert_eq!(store.load().value.judge(Some(&[]), now()), ClientVerdict::Absent);
}

#[test]
fn an_authority_between_may_come_from_the_client() {
    let root = Authority::root("root");
    let between = root.below("between");
    let store = Store::new(&[root.pem()]);
    assert_eq!(store.judge(&between.client("a"), &[&between]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&between.client("a"), &[]), distrust(Distrust::UnknownIssuer));
}

#[test]
fn the_whole_chain_to_the_root_must_be_there() {
    let root = Authority::root("root");
    let between = root.below("between");
    let other = Authority::root("other");
    let store = Store::new(&[between.pem(), other.pem()]);
    assert_eq!(store.judge(&between.client("a"), &[]), distrust(Distrust::UnknownIssuer));
    let warnings = store.load().warnings;
    assert!(warnings[0].message.contains("the issuer of CN=between (CN=root) is not in"));
    let alone = Store::new(&[between.pem()]);
    let (_, problem) = ClientTrust::load(&alone.options, now()).expect_err("no root");
    assert!(problem.message.contains("holds no root"), "{problem}");
}

#[test]
fn strangers_are_not_trusted() {
    let store = Store::new(&[Authority::root("root").pem()]);
    let stranger = Authority::root("stranger");
    assert_eq!(store.judge(&stranger.client("a"), &[]), distrust(Distrust::UnknownIssuer));
    assert_eq!(store.judge(&stranger.client("a"), &[&stranger]), distrust(Distrust::UnknownIssuer));
    // The same name with another key.
    let impostor = Authority::root("root");
    assert_eq!(store.judge(&impostor.client("a"), &[]), distrust(Distrust::UnknownIssuer));
    let own = Identity::own(|_| {});
    assert_eq!(store.judge(&own, &[]), distrust(Distrust::UnknownIssuer));
}

#[test]
fn four_certificates_are_the_longest_chain() {
    let root = Authority::root("root");
    let second = root.below("second");
    let third = second.below("third");
    let fourth = third.below("fourth");
    let store = Store::new(&[root.pem(), second.pem(), third.pem(), fourth.pem()]);
    assert_eq!(store.judge(&second.client("3"), &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&third.client("4"), &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&fourth.client("5"), &[]), distrust(Distrust::ChainTooLong));
    let store = Store::new(&[root.pem()]);
    let shown = [&fourth, &third, &second];
    assert_eq!(store.judge(&fourth.client("5"), &shown), distrust(Distrust::ChainTooLong));
    assert_eq!(store.judge(&root.client("a"), &[&second; 9]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&root.client("a"), &[&second; 10]), distrust(Distrust::ChainTooLong));
}

#[test]
fn every_certificate_of_a_path_must_be_valid_now() {
    let root = Authority::root("root");
    let store = Store::new(&[root.pem()]);
    let dated = |from: i32, to: i32| {
        root.issue(|params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    };
    assert_eq!(store.judge(&dated(2020, 2026), &[]), distrust(Distrust::Expired));
    assert_eq!(store.judge(&dated(2027, 2028), &[]), distrust(Distrust::NotYetValid));
    let old = Authority::root_with("old", |params| params.not_after = date_time_ymd(2026, 1, 1));
    let store = Store::new(&[old.pem()]);
    assert_eq!(store.judge(&old.client("a"), &[]), distrust(Distrust::Expired));
    assert!(store.load().warnings[0].message.contains("CN=old expired on"));
    let between = root.below_with("between", |params| params.not_after = date_time_ymd(2026, 1, 1));
    let store = Store::new(&[root.pem(), between.pem()]);
    assert_eq!(store.judge(&between.client("a"), &[]), distrust(Distrust::Expired));
}

#[test]
fn certificates_of_servers_are_no_clients() {
    let root = Authority::root("root");
    let store = Store::new(&[root.pem()]);
    let server = root.issue(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(store.judge(&server, &[]), distrust(Distrust::WrongUsage));
    let authority = root.issue(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(store.judge(&authority, &[]), distrust(Distrust::WrongUsage));
}

#[test]
fn constraints_of_authorities_hold() {
    let root = Authority::root("root");
    let only = |name: &str| {
        let name = name.to_owned();
        root.below_with("between", |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName(name)],
                excluded_subtrees: Vec::new(),
            });
        })
    };
    let named = |authority: &Authority, name: &str| {
        let name = SanType::DnsName(name.try_into().expect("ASCII"));
        authority.issue(|params| params.subject_alt_names = vec![name])
    };
    let between = only("example.com");
    let store = Store::new(&[root.pem(), between.pem()]);
    assert_eq!(store.judge(&named(&between, "a.example.com"), &[]), ClientVerdict::Trusted);
    let outside = distrust(Distrust::ConstraintViolated);
    assert_eq!(store.judge(&named(&between, "a.example.org"), &[]), outside);
    // RUSTSEC-2026-0099: a wildcard stands for names outside of what is permitted.
    let narrow = only("a.example.com");
    let store = Store::new(&[root.pem(), narrow.pem()]);
    assert_eq!(store.judge(&named(&narrow, "*.example.com"), &[]), outside);
    let shallow = root.below_with("shallow", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let below = shallow.below("below");
    let store = Store::new(&[root.pem(), shallow.pem(), below.pem()]);
    assert_eq!(store.judge(&shallow.client("a"), &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&below.client("a"), &[]), outside);
}

#[test]
fn a_client_s_own_certificate_may_stand_in_the_store() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let own = Identity::own(|params| params.is_ca = is_ca);
        let store = Store::new(&[own.pem()]);
        assert_eq!(store.judge(&own, &[]), ClientVerdict::Trusted, "{is_ca:?}");
    }
    let over = Identity::own(|params| params.not_after = date_time_ymd(2026, 1, 1));
    assert_eq!(Store::new(&[over.pem()]).judge(&over, &[]), distrust(Distrust::Expired));
    let server = Identity::own(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(Store::new(&[server.pem()]).judge(&server, &[]), distrust(Distrust::WrongUsage));
}

/// Else whoever has one certificate in the store could let in the whole world.
#[test]
fn a_client_in_the_store_cannot_make_further_clients() {
    let client = Authority::root_with("client", |params| {
        params.is_ca = IsCa::NoCa;
        params.key_usages = Vec::new();
    });
    let store = Store::new(&[client.pem()]);
    assert_eq!(store.judge(&client.client("friend"), &[]), distrust(Distrust::UnknownIssuer));
    let no_signer = Authority::root_with("no signer", |params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    });
    let store = Store::new(&[no_signer.pem()]);
    assert_eq!(store.judge(&no_signer.client("friend"), &[]), distrust(Distrust::UnknownIssuer));
}

/// CVE-2026-28755.
#[test]
fn revoked_clients_are_refused() {
    let root = Authority::root("root");
    let between = root.below("between");
    let (good, bad) = (between.client("good"), between.client("bad"));
    let of_root = |serials: &[Vec<u8>]| root.revocation_list(serials, 2030);
    let of_between = between.revocation_list(&[bad.serial()], 2030);
    let bundle = [root.pem(), between.pem()];

    let store = Store::new(&bundle).with_list("crl.pem", &(of_root(&[]) + &of_between));
    assert!(store.load().warnings.is_empty(), "{:?}", store.load().warnings);
    assert_eq!(store.judge(&good, &[]), ClientVerdict::Trusted);
    assert_eq!(store.judge(&bad, &[]), distrust(Distrust::Revoked));

    let authority = parse(&between.der).expect("a certificate").raw_serial().to_vec();
    let store = Store::new(&bundle)
        .with_list("root.pem", &of_root(&[authority]))
        .with_list("between.pem", &between.revocation_list(&[], 2030));
    assert_eq!(store.judge(&good, &[]), distrust(Distrust::Revoked), "its issuer is");

    let store = Store::new(&bundle).with_list("between.pem", &of_between);
    assert_eq!(store.judge(&good, &[]), distrust(Distrust::RevocationUnknown), "of its issuer");

    let over = between.revocation_list(&[], 2026);
    let store = Store::new(&bundle).with_list("crl.pem", &(of_root(&[]) + &over));
    assert_eq!(store.judge(&good, &[]), distrust(Distrust::RevocationListInvalid));
    assert!(store.load().warnings[0].message.contains("was over on Jan  1 00:00:00 2026"));

    // A list that somebody else signed in the name of the authority.
    let forged = root.below("between").revocation_list(&[], 2030);
    let store = Store::new(&bundle).with_list("crl.pem", &(of_root(&[]) + &forged));
    assert_eq!(store.judge(&good, &[]), distrust(Distrust::RevocationListInvalid));

    let stranger = Authority::root("stranger").revocation_list(&[], 2030);
    let store = Store::new(&bundle).with_list("crl.pem", &stranger);
    assert!(store.load().warnings[0].message.contains("no authority in the trust store issued"));
}

#[test]
fn a_list_that_cannot_be_read_is_a_problem_of_its_file() {
    let root = Authority::root("root");
    let store = Store::new(&[root.pem()])
        .with_list("good.pem", &root.revocation_list(&[], 2030))
        .with_list("bad.pem", "nothing");
    let (index, problem) = ClientTrust::load(&store.options, now()).expect_err("bad");
    assert_eq!(index, Some(1));
    assert!(problem.to_string().contains("bad.pem: holds no revocation list"), "{problem}");
}

/// CVE-2025-66220: for what reads names of C the client is `admin.example.com`.
#[test]
fn a_nul_in_a_name_is_refused() {
    let root = Authority::root("root");
    let store = Store::new(&[root.pem()]);
    let name = b"admin.example.com\0.evil.org";
    for tag in [0x81, 0x82, 0x86] {
        let length = u8::try_from(name.len()).expect("short");
        let mut content = vec![0x30, length + 2, tag, length];
        content.extend_from_slice(name);
        let client = root.issue(|params| {
            let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
            params.custom_extensions = vec![names];
        });
        assert_eq!(store.judge(&client, &[]), distrust(Distrust::NulInName), "{tag:x}");
    }
    let client = root.issue(|params| {
        let value = DnValue::Utf8String("admin\0.evil.org".into());
        params.distinguished_name.push(DnType::CommonName, value);
    });
    assert_eq!(store.judge(&client, &[]), distrust(Distrust::NulInName));
}

#[test]
fn what_is_no_certificate_is_malformed() {
    let root = Authority::root("root");
    let trust = Store::new(&[root.pem()]).load().value;
    let client = root.client("a");
    for bytes in [&b""[..], b"0", &client.der[..client.der.len() - 1]] {
        let shown = [CertificateDer::from(bytes.to_vec())];
        assert_eq!(trust.judge(Some(&shown), now()), distrust(Distrust::Malformed));
    }
    for index in 0..client.der.len() {
        let mut bent = client.der.to_vec();
        bent[index] ^= 0x55;
        let verdict = trust.judge(Some(&[CertificateDer::from(bent)]), now());
        assert_ne!(verdict, ClientVerdict::Trusted, "byte {index}");
    }
}

#[test]
fn the_store_has_bounds_and_warnings() {
    let root = Authority::root("root");
    let refused = |bundle: &[String], part: &str| {
        let (index, problem) =
            ClientTrust::load(&Store::new(bundle).options, now()).expect_err(part);
        assert!(index.is_none() && problem.message.contains(part), "{problem}");
    };
    let most = vec![root.pem(); STORE_COUNT_MAX];
    assert_eq!(Store::new(&most).judge(&root.client("a"), &[]), ClientVerdict::Trusted);
    refused(&[&most[..], &[root.pem()]].concat(), "at most 1000 are taken");
    refused(&["no certificate".into()], "holds no certificate");
    let mut options = Store::new(&[root.pem()]).options;
    options.trust_store_file = PathBuf::from("/nowhere/trust.pem");
    assert!(ClientTrust::load(&options, now()).is_err());

    let leaf = root.client("leaf");
    let impostor = Authority::root("x").below("root");
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned();
    let store = Store::new(&[root.pem(), leaf.pem(), impostor.pem(), broken]);
    let warnings: Vec<_> = store.load().warnings.into_iter().map(|one| one.message).collect();
    let expected = [
        "certificate 2: CN=leaf is neither an authority's certificate nor one that issued itself",
        "conflicts with an existing certificate from a different issuer",
        "certificate 4: is no X.509 certificate",
        "the issuer of CN=root (CN=x) is not in the trust store",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    for (warning, part) in warnings.iter().zip(expected) {
        assert!(warning.contains(part), "{warning}");
    }
}

/// The list of names must fit the handshake whatever the store holds.
#[test]
fn clients_are_told_authorities_as_long_as_they_fit() {
    let names = |count: usize| {
        let bundle: Vec<_> =
            (0..count).map(|index| Authority::root(&format!("{index:0>200}")).pem()).collect();
        Store::new(&bundle).load().value.store.hints.len()
    };
    assert_eq!(names(1), 1);
    assert_eq!(names(70), 70);
    assert_eq!(names(80), 0);
}

#[test]
fn tickets_are_bound_to_what_the_verdict_rests_on() {
    let root = Authority::root("root");
    let list = |serials: &[Vec<u8>]| root.revocation_list(serials, 2030);
    let plain = Store::new(&[root.pem()]);
    let print = |store: &Store| store.load().value.fingerprint();
    assert_eq!(print(&plain), print(&plain));
    let with_list = Store::new(&[root.pem()]).with_list("a.pem", &list(&[]));
    let with_other = Store::new(&[root.pem()]).with_list("a.pem", &list(&[vec![5]]));
    let with_more = Store::new(&[root.pem(), Authority::root("b").pem()]);
    let mut lenient = Store::new(&[root.pem()]);
    lenient.options.on_invalid = OnInvalid::Forbid;
    let prints = [plain, with_list, with_other, with_more, lenient].map(|store| print(&store));
    for (index, one) in prints.iter().enumerate() {
        assert!(!prints[..index].contains(one), "{index}");
    }
}

#[test]
fn facts_are_in_the_words_of_aws() {
    let root = Authority::root_with("Example issuer", |params| {
        params.distinguished_name.push(DnType::CountryName, "US");
    });
    let client = root.issue(|params| {
        params.distinguished_name.push(DnType::CommonName, "www.example.com");
        params.serial_number = Some(vec![0xa1; 16].into());
    });
    let facts = ClientCertificate::read(std::slice::from_ref(&client.der)).expect("a certificate");
    assert_eq!(facts.subject_dn, "CN=www.example.com");
    assert_eq!(facts.issuer_dn, "C=US,CN=Example issuer");
    assert_eq!(facts.serial_number, ["a1"; 16].join(":"));
    assert_eq!(facts.not_before, "Jan  1 00:00:00 2025 GMT");
    assert_eq!(facts.not_after, "Jan  1 00:00:00 2030 GMT");
    assert_eq!(facts.client_cert_pem, client.pem());
    assert_eq!(ClientCertificate::read(&[]), None);
}

#[test]
fn rsa_clients_are_trusted_too() {
    let root = Authority::root("root");
    let client = root.issue_for(rsa_key(), |_| {});
    assert_eq!(Store::new(&[root.pem()]).judge(&client, &[]), ClientVerdict::Trusted);
    let _: &KeyPair = &client.key;
}
