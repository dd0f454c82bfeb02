//! Files of TLS that change while the gateway watches them: nobody has to tell it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use serde_json::Value as Json;

use super::authority::{Authority, Identity};
use super::client::TlsClient;
use super::harness::Gateway;
use super::site::{Site, assert_sound, nobody};
use super::targets::{Target, authority, gateway_with, trusting};

const WATCHING: &str = "[process]\nwatch = true\n";

fn is_reload(line: &Json) -> bool {
    line["message"] == "the configuration was reloaded"
}

fn is_refusal(line: &Json) -> bool {
    let message = line["message"].as_str().unwrap_or_default();
    message.starts_with("the configuration was not reloaded, nothing changed")
}

fn shown(client: &TlsClient) -> CertificateDer<'static> {
    client.session().peer_certificates().expect("shown")[0].clone().into_owned()
}

/// The gateway shows this one from now on, and the connection of before goes on.
fn assert_renewed(site: &Site, gateway: &Gateway, old: &mut TlsClient, renewed: &Identity) {
    gateway.wait_for_log("a reload", is_reload);
    assert_eq!(shown(&site.connect(gateway)), renewed.chain[0]);
    assert_eq!(old.get("a.example", "/mock").status, 200, "the connection goes on");
}

/// A gateway that watches, and a connection to it.
fn start(site: &Site) -> (Gateway, TlsClient) {
    let gateway = site.start_with("true", "", WATCHING);
    let mut client = site.connect(&gateway);
    assert_eq!(client.get("a.example", "/mock").status, 200);
    (gateway, client)
}

#[test]
fn files_that_are_written_over_are_read_again() {
    let site = Site::new(nobody());
    let (gateway, mut old) = start(&site);
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("a", &renewed);
    assert_renewed(&site, &gateway, &mut old, &renewed);
    drop(old);
    assert_sound(&gateway);
}

#[test]
fn files_that_are_renamed_into_place_are_read_again() {
    let site = Site::new(nobody());
    let (gateway, mut old) = start(&site);
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("new", &renewed);
    for part in ["key", "pem"] {
        let from = site.files.path(&format!("new.{part}"));
        fs::rename(from, site.files.path(&format!("a.{part}"))).expect("renamed");
    }
    assert_renewed(&site, &gateway, &mut old, &renewed);
}

#[test]
fn half_of_a_pair_changes_nothing_and_its_other_half_does() {
    let site = Site::new(nobody());
    let (gateway, mut old) = start(&site);
    let before = shown(&old);
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("new", &renewed);
    let put = |part: &str| {
        let from = site.files.path(&format!("new.{part}"));
        fs::rename(from, site.files.path(&format!("a.{part}"))).expect("renamed");
    };
    put("pem");
    let line = gateway.wait_for_log("an error", is_refusal);
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().expect("text");
    assert!(message.contains("the private key in"), "{message}");
    assert_eq!(shown(&site.connect(&gateway)), before, "the old one is shown on");
    put("key");
    assert_renewed(&site, &gateway, &mut old, &renewed);
}

/// Puts `identity` as `a` into a folder of its own, as Kubernetes mounts a secret.
fn mount(site: &Site, folder: &str, identity: &Identity) {
    fs::create_dir(site.files.path(folder)).expect("made");
    site.files.write_identity(&format!("{folder}/a"), identity);
    symlink(folder, site.files.path("..new")).expect("linked");
    fs::rename(site.files.path("..new"), site.files.path("..data")).expect("swapped");
}

#[test]
fn a_link_to_a_folder_that_is_swapped_is_followed_each_time() {
    let site = Site::new(nobody());
    mount(&site, "..1", &site.servers.server(&["a.example"]));
    for part in ["a.pem", "a.key"] {
        fs::remove_file(site.files.path(part)).expect("removed");
        symlink(Path::new("..data").join(part), site.files.path(part)).expect("linked");
    }
    let (gateway, mut old) = start(&site);
    for (round, folder) in [(1, "..2"), (2, "..3")] {
        let renewed = site.servers.server(&["a.example"]);
        mount(&site, folder, &renewed);
        gateway.wait_for_log_times(round, is_reload);
        assert_renewed(&site, &gateway, &mut old, &renewed);
    }
    assert!(!gateway.log().iter().any(is_refusal), "both files are swapped at once");
}

#[test]
fn links_that_are_swapped_one_by_one_are_followed() {
    let site = Site::new(nobody());
    let (gateway, mut old) = {
        fs::create_dir(site.files.path("archive")).expect("made");
        for part in ["a.pem", "a.key"] {
            let to = site.files.path("archive").join(part);
            fs::rename(site.files.path(part), to).expect("moved");
            symlink(Path::new("archive").join(part), site.files.path(part)).expect("linked");
        }
        start(&site)
    };
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("archive/a2", &renewed);
    for part in ["pem", "key"] {
        let (link, target) = (site.files.path("..link"), format!("archive/a2.{part}"));
        symlink(target, &link).expect("linked");
        fs::rename(&link, site.files.path(&format!("a.{part}"))).expect("swapped");
    }
    assert_renewed(&site, &gateway, &mut old, &renewed);
}

#[test]
fn a_folder_of_certificates_may_grow_and_be_replaced() {
    let site = Site::new(nobody());
    fs::create_dir(site.files.path("all")).expect("made");
    site.files.write_identity("all/f", &site.servers.server(&["f.example"]));
    let folder = site.files.path("all");
    let domain = format!(
        "[[domain]]\nnames = [\"f.example\"]\ncertificate_folder = \"{}\"\n{WATCHING}",
        folder.display()
    );
    let gateway = site.start_with("true", "", &domain);
    let ask = || {
        let address = gateway.address("public");
        shown(&TlsClient::connect(address, &site.config(), "f.example"))
    };
    site.files.write_identity("all/g", &site.servers.server(&["g.example", "f.example"]));
    gateway.wait_for_log("a reload", is_reload);
    let renewed = site.servers.server(&["f.example"]);
    fs::create_dir(site.files.path("next")).expect("made");
    site.files.write_identity("next/f", &renewed);
    fs::rename(&folder, site.files.path("before")).expect("moved");
    fs::rename(site.files.path("next"), &folder).expect("moved");
    gateway.wait_for_log_times(2, is_reload);
    assert_eq!(ask(), renewed.chain[0]);
}

#[test]
fn a_trust_store_that_changes_lets_others_in() {
    let site = Site::new(nobody());
    let (gateway, mut old) = start(&site);
    let others = Authority::root("others");
    let partner = others.client("partner");
    let config = site.wants().showing(&partner).config();
    let ask = || {
        TlsClient::try_connect(gateway.address("public"), &config, "soft.example")
            .and_then(|mut client| client.try_get("soft.example", "/mock"))
            .expect("an answer")
            .status
    };
    assert_eq!(ask(), 403);
    site.files.write("clients.pem", others.pem());
    gateway.wait_for_log("a reload", is_reload);
    assert_eq!(ask(), 200);
    assert_eq!(old.get("a.example", "/mock").status, 200);
}

#[test]
fn a_client_that_is_revoked_meanwhile_is_refused_even_with_its_session() {
    let site = Site::new(nobody());
    let list = site.files.path("clients.crl");
    site.files.write("clients.crl", &site.clients.revocation_list(&[]));
    let text = site.configuration("true", "", WATCHING);
    let text = text.replace(
        "on_invalid = \"403\"",
        &format!("on_invalid = \"403\", crl_files = [\"{}\"]", list.display()),
    );
    let gateway = Gateway::start(&text);
    let numbered = |serial: u64| {
        site.clients.issue(|params| params.serial_number = Some(rcgen::SerialNumber::from(serial)))
    };
    let (good, bad) = (numbered(7), numbered(8));
    let configs = [&good, &bad].map(|one| site.wants().showing(one).config());
    let ask = || {
        configs.each_ref().map(|config| {
            let address = gateway.address("public");
            TlsClient::connect(address, config, "soft.example").get("soft.example", "/mock").status
        })
    };
    assert_eq!(ask(), [200, 200]);
    site.files.write("clients.crl", &site.clients.revocation_list(&[8]));
    gateway.wait_for_log("a reload", is_reload);
    assert_eq!(ask(), [200, 403]);
}

#[test]
fn authorities_of_targets_that_change_are_believed() {
    let (_, files) = authority();
    let others = Authority::root("others");
    let target = Target::start(&others.server(&["127.0.0.1"]), None);
    let gateway = gateway_with(&target.address.to_string(), &trusting(&files, ""), WATCHING);
    assert_eq!(gateway.connect().request("GET", "/").status, 502);
    files.write("ca.pem", others.pem());
    gateway.wait_for_log("a reload", is_reload);
    assert_eq!(gateway.connect().request("GET", "/").status, 200);
}

#[test]
fn a_file_that_a_reload_asked_for_in_vain_is_waited_for() {
    let site = Site::new(nobody());
    let (gateway, mut old) = start(&site);
    let other = site.configuration("true", "", WATCHING).replace("/a.pem", "/later.pem");
    gateway.rewrite(&other);
    gateway.wait_for_log("an error", is_refusal);
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("new", &renewed);
    fs::rename(site.files.path("new.key"), site.files.path("a.key")).expect("renamed");
    fs::rename(site.files.path("new.pem"), site.files.path("later.pem")).expect("renamed");
    assert_renewed(&site, &gateway, &mut old, &renewed);
}

#[test]
fn without_watching_a_changed_file_waits_for_a_signal() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("a", &renewed);
    assert_ne!(shown(&site.connect(&gateway)), renewed.chain[0]);
    gateway.signal("HUP");
    gateway.wait_for_log("a reload", is_reload);
    assert_eq!(shown(&site.connect(&gateway)), renewed.chain[0]);
}
