//! Certificates that expire: told in the log, in metrics, and with what is in force.

use serde_json::Value as Json;

use super::authority::{Authority, expire_at, now_seconds};
use super::harness::Gateway;
use super::site::{Site, nobody};
use super::targets::{authority, gateway_with, trusting};

const DAY: i64 = 86_400;
const EXPIRY: &str = "shardgate_tls_certificate_expiry_timestamp_seconds";
const UPSTREAM_EXPIRY: &str = "shardgate_upstream_tls_certificate_expiry_timestamp_seconds";

fn is_soon(line: &Json) -> bool {
    line["message"] == "a certificate expires soon"
}

fn is_over(line: &Json) -> bool {
    line["message"] == "a certificate has expired"
}

fn started(gateway: &Gateway, is_meant: fn(&Json) -> bool) -> Vec<Json> {
    gateway.log().into_iter().filter(is_meant).collect()
}

#[test]
fn each_certificate_has_its_date_in_metrics_and_in_what_is_in_force() {
    let site = Site::new(nobody());
    let end = now_seconds() + 90 * DAY;
    site.files.write_identity("a", &site.servers.server_for(&["a.example"], 90 * DAY));
    let gateway = site.start();
    let told = gateway.metric(EXPIRY, "domain=\"a.example\",key_type=\"ecdsa\"");
    assert!((told - end as f64).abs() < 60.0, "{told}");
    for domain in ["*.wild.example", "mutual.example", "soft.example"] {
        // 1 January 2090.
        let label = format!("domain=\"{domain}\"");
        assert_eq!(gateway.metric(EXPIRY, &label), 3_786_912_000.0, "{domain}");
    }
    let config: Json = serde_json::from_str(gateway.ask_admin("/config").text()).expect("JSON");
    let certificates = config["certificates"].as_array().expect("a list");
    assert_eq!(certificates.len(), 4);
    let wild = certificates.iter().find(|one| one["domain"] == "*.wild.example").expect("it");
    assert_eq!(wild["not_after"], "Jan  1 00:00:00 2090 GMT");
    assert_eq!((&wild["key_type"], &wild["names"][0]), (&"ecdsa".into(), &"*.wild.example".into()));
    assert_eq!(wild["issuer"], "CN=servers");
    assert_eq!(started(&gateway, is_soon).len() + started(&gateway, is_over).len(), 0);
}

#[test]
fn the_last_days_of_a_certificate_are_a_warning_at_each_start_and_reload() {
    let site = Site::new(nobody());
    site.files.write_identity("a", &site.servers.server_for(&["a.example"], 13 * DAY + 3_600));
    site.files.write_identity("soft", &site.servers.server_for(&["soft.example"], 15 * DAY));
    let gateway = site.start();
    let lines = started(&gateway, is_soon);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["domain"], &lines[0]["days_left"]), (&"a.example".into(), &13.into()));
    assert_eq!(lines[0]["level"], "WARN");
    assert!(lines[0]["file"].as_str().is_some_and(|file| file.ends_with("a.pem")), "{lines:?}");
    gateway.signal("HUP");
    gateway.wait_for_log_times(2, is_soon);
    let earlier = "[tls]\nexpiry_warning_days = 30\n";
    gateway.rewrite(&site.configuration("true", "", earlier));
    gateway.signal("HUP");
    gateway.wait_for_log("the other one", |line| is_soon(line) && line["domain"] == "soft.example");
}

#[test]
fn an_expired_certificate_is_an_error_and_the_other_domains_are_served() {
    let site = Site::new(nobody());
    site.files.write_identity("soft", &site.servers.server_for(&["soft.example"], -5));
    let gateway = site.start();
    let lines = started(&gateway, is_over);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["domain"], &lines[0]["level"]),
        (&"soft.example".into(), &"ERROR".into())
    );
    assert_eq!(site.connect(&gateway).get("a.example", "/mock").status, 200);
}

#[test]
fn the_second_in_which_a_certificate_expires_is_told_of() {
    let site = Site::new(nobody());
    site.files.write_identity("soft", &site.servers.server_for(&["soft.example"], 3));
    let gateway = site.start();
    let line = gateway.wait_for_log("an error", is_over);
    assert_eq!(line["domain"], "soft.example");
}

#[test]
fn certificates_for_targets_are_watched_over_too() {
    let (_, files) = authority();
    let clients = Authority::root("clients");
    let own = clients.issue(|params| expire_at(params, now_seconds() + 2 * DAY));
    files.write_identity("gateway", &own);
    let shown = format!(", client_certificate = {}", files.pair("gateway"));
    let gateway = gateway_with(&nobody().to_string(), &trusting(&files, &shown), "");
    let lines = started(&gateway, is_soon);
    assert_eq!((lines.len(), &lines[0]["upstream"]), (1, &"backend".into()), "{lines:?}");
    let told = gateway.metric(UPSTREAM_EXPIRY, "group=\"backend\",key_type=\"ecdsa\"");
    assert!((told - (now_seconds() + 2 * DAY) as f64).abs() < 60.0, "{told}");
    assert_eq!(gateway.metric(EXPIRY, ""), 0.0, "no client is shown any");
}
