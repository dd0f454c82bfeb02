//! The task that orders, by itself: what answers the authority are listeners of the test that ask
//! the same table as shards do.

use std::fs;

use shardgate::model::Acme;

use crate::authority::Authority;
use crate::boot::{self, Ordering, mode, near_its_end, write_secret};
use crate::front::Fronts;
use crate::names::Names;
use crate::{impatient, pebble_or_return};

#[tokio::test]
async fn http_01_proves_names_and_a_certificate_is_kept() {
    let fronts = Fronts::start();
    let names = Names::start(None);
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let mut ordering = Ordering::new(&pebble, "", r#"["api.test", "www.test"]"#);
    let watch = ordering.watch(&fronts);
    ordering.wait_issued().await;

    let (file, account) = (ordering.certificate_file("api.test"), ordering.account_file());
    assert_eq!((mode(&file), mode(&account)), (0o600, 0o600));
    assert_eq!(mode(file.parent().expect("a folder")), 0o700);
    let facts = ordering.loaded_certificate().expect("it is in force after a load");
    assert_eq!(facts.names, ["api.test", "www.test"]);
    assert!(facts.issuer.contains("Pebble"), "{facts:?}");
    let [state] = watch.states().try_into().expect("one domain");
    assert_eq!((state.issued, state.failed, &state.last_error), (1, 0, &None));
    assert_eq!(state.not_after, Some(facts.not_after));
    let (ahead, day) = (facts.not_after - state.next_order, 86_400);
    assert!((30 * day..=33 * day).contains(&ahead), "{} days", ahead / day);
    assert!(watch.challenges().is_empty(), "nothing is answered any more");
    // Pebble looks more than once for each name, as real authorities do.
    assert!(fronts.http_answers_count() >= 2 && fronts.tls_answers_count() == 0);

    // A new start finds it all there, and orders nothing.
    drop(watch);
    let before = (fs::read(&file).expect("there"), fs::read(&account).expect("there"));
    let watch = ordering.watch(&fronts);
    let [state] = boot::planned(&watch).await.try_into().expect("one domain");
    // Files that are so young may have been missed by the load before.
    ordering.wait_issued().await;
    assert_eq!((state.issued, state.not_after), (0, Some(facts.not_after)));
    assert!(state.next_order > boot::now());
    assert_eq!(before, (fs::read(&file).expect("there"), fs::read(&account).expect("there")));

    // Another name: a certificate for all of them, by the same account.
    ordering.change_names(r#"["api.test", "www.test", "more.test"]"#);
    watch.watch(ordering.tls());
    // The young file again, then the new one.
    ordering.wait_issued().await;
    ordering.wait_issued().await;
    let facts = ordering.loaded_certificate().expect("it is in force after a load");
    assert_eq!(facts.names.len(), 3, "{facts:?}");
    assert_eq!(before.1, fs::read(&account).expect("there"));
}

#[tokio::test]
async fn tls_alpn_01_proves_names_by_a_handshake() {
    let fronts = Fronts::start();
    let names = Names::start(None);
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let keys = "challenge = \"tls-alpn-01\"\ncontacts = [\"ops@shardgate.test\"]";
    let mut ordering = Ordering::new(&pebble, keys, r#"["api.test", "www.test"]"#);
    let watch = ordering.watch(&fronts);
    ordering.wait_issued().await;
    assert_eq!(ordering.loaded_certificate().expect("loaded").names, ["api.test", "www.test"]);
    assert!(fronts.tls_answers_count() >= 2 && fronts.http_answers_count() == 0);
    assert!(watch.challenges().is_empty());
}

#[tokio::test]
async fn dns_01_proves_a_wildcard_by_the_hook() {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = folder.path().join("zone");
    let fronts = Fronts::start();
    let names = Names::start(Some(zone.clone()));
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let hook = format!("echo said; echo \\\"$@\\\" >> {}", zone.display());
    let keys = format!(
        "challenge = \"dns-01\"\ndns_hook = [\"sh\", \"-c\", \"{hook}\", \"hook\"]\n\
         dns_hook_timeout_ms = 10_000"
    );
    // Both are proved by records of one name, at the same time.
    let mut ordering = Ordering::new(&pebble, &keys, r#"["*.wild.test", "wild.test"]"#);
    let _watch = ordering.watch(&fronts);
    ordering.wait_issued().await;
    let mut found = ordering.loaded_certificate().expect("loaded").names;
    found.sort();
    assert_eq!(found, ["*.wild.test", "wild.test"]);
    assert!(ordering.certificate_file("*.wild.test").ends_with("+.wild.test.pem"));
    let log = fs::read_to_string(&zone).expect("the hook wrote it");
    let lines = |verb: &str| {
        let lines = log.lines().filter_map(|line| line.strip_prefix(verb));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let added = lines("add _acme-challenge.wild.test ");
    assert_eq!(added.len(), 2, "{log}");
    assert_ne!(added[0], added[1]);
    assert_eq!(lines("remove _acme-challenge.wild.test "), added, "what was added is removed");
}

#[tokio::test]
async fn a_certificate_near_its_end_is_renewed_and_one_that_works_is_never_lost() {
    let fronts = Fronts::start();
    let names = Names::start(None);
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let mut ordering = Ordering::new(&pebble, "", r#"["api.test"]"#);
    let file = ordering.certificate_file("api.test");
    let old = near_its_end("api.test");
    write_secret(&file, &old);

    // The authority does not find what it looks for.
    fronts.unplug();
    let watch = ordering.watch(&fronts);
    let state = boot::failed(&watch).await;
    let error = state.last_error.expect("a reason");
    assert!(error.contains("api.test is not proved") && error.contains("404"), "{error}");
    let wait = state.next_order - boot::now();
    assert!((290..=360).contains(&wait), "the next attempt in {wait} s");
    assert_eq!((state.issued, state.failed, state.failed_in_row), (0, 1, 1));
    assert_eq!(fs::read_to_string(&file).expect("there"), old, "it is still there");
    assert!(ordering.loaded_certificate().is_some(), "and still works");
    assert!(watch.challenges().is_empty());
    assert_eq!(ordering.issued_count(), 0);

    fronts.plug_in();
    drop(watch);
    let _watch = ordering.watch(&fronts);
    ordering.wait_issued().await;
    assert_ne!(fs::read_to_string(&file).expect("there"), old);
    assert!(ordering.loaded_certificate().expect("loaded").issuer.contains("Pebble"));
}

#[tokio::test]
async fn a_directory_with_a_certificate_of_somebody_else_is_not_spoken_to() {
    let fronts = Fronts::start();
    let names = Names::start(None);
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let ordering = Ordering::new(&pebble, "", r#"["api.test"]"#);
    // Another authority's certificate under the same path.
    fs::write(pebble.ca_file(), Authority::root("another").pem()).expect("written");
    let watch = ordering.watch(&fronts);
    let error = boot::failed(&watch).await.last_error.expect("a reason");
    assert!(error.contains("127.0.0.1: invalid peer certificate"), "{error}");
    assert!(!ordering.account_file().exists(), "no account was made");
}

#[tokio::test]
async fn the_account_of_another_directory_is_not_used() {
    let fronts = Fronts::start();
    let names = Names::start(None);
    let pebble = pebble_or_return!(fronts.ports(), &names);
    let folder = tempfile::tempdir().expect("a folder");
    let account = folder.path().join("account.json");
    let keys = format!("account_key_file = {account:?}");
    let mut ordering = Ordering::new(&pebble, &keys, r#"["api.test"]"#);
    let watch = ordering.watch(&fronts);
    ordering.wait_issued().await;
    drop(watch);
    let text = fs::read_to_string(&account).expect("there");
    assert!(text.contains(pebble.directory_url()), "{text}");
    fs::write(&account, text.replace("127.0.0.1", "other.test")).expect("written");
    fs::remove_file(ordering.certificate_file("api.test")).expect("removed");
    let watch = ordering.watch(&fronts);
    let error = boot::failed(&watch).await.last_error.expect("a reason");
    assert!(error.contains("the account is of another directory (https://other.test"), "{error}");
}

#[tokio::test]
async fn a_directory_that_asks_for_patience_gets_it() {
    let fronts = Fronts::start();
    let directory = impatient::Directory::start();
    let ordering = Ordering::at(directory.url(), &directory.ca_file(), "", r#"["api.test"]"#);
    let watch = ordering.watch(&fronts);
    let state = boot::failed(&watch).await;
    let error = state.last_error.expect("a reason");
    assert!(error.contains("too many new accounts"), "{error}");
    let wait = state.next_order - boot::now();
    // What it asks for, and up to a fifth on top.
    let asked = impatient::RETRY_AFTER_SECONDS;
    assert!((asked - 10..=asked * 6 / 5).contains(&wait), "{wait} s");
    assert_eq!(directory.accounts_asked_count(), 1, "it was asked once");
}

/// The state of a domain stays when another one joins it, and nobody's order is disturbed twice.
#[tokio::test]
async fn watching_the_same_again_changes_nothing() {
    let fronts = Fronts::start();
    let directory = impatient::Directory::start();
    let ordering = Ordering::at(directory.url(), &directory.ca_file(), "", r#"["api.test"]"#);
    let watch = ordering.watch(&fronts);
    boot::failed(&watch).await;
    watch.watch(ordering.tls());
    watch.watch(ordering.tls());
    let [state] = watch.states().try_into().expect("one domain");
    assert_eq!((state.failed, directory.accounts_asked_count()), (1, 1));
    let none = shardgate::model::Tls::default();
    watch.watch(&none);
    assert!(watch.states().is_empty());
    assert!(Acme::folder_of(ordering.storage(), directory.url()).join("lock").exists());
}
