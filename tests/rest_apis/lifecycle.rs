//! What is deployed lives on: on every shard, across restarts, reloads and upgrades of the gateway.

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Client, Gateway, Managed, Request, RestApi};

fn page() -> Request {
    Request::get("/prod/page")
}

/// A deployed API that answers `body`.
#[track_caller]
fn api<'g>(site: &'g Managed, body: &str) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.mock("/page", "GET", body);
    api.deploy("prod");
    api.ask_until(&page(), |answer| answer.status == 200 && answer.text() == body);
    api
}

fn set_body(api: &RestApi<'_>, body: &str) {
    let templates = json!({ "responseTemplates": { "application/json": body } });
    api.put_integration_response("/page", "GET", 200, templates);
}

#[test]
fn every_shard_serves_what_was_answered_on_connections_that_are_kept() {
    let site = Managed::start_with("[process]\nshards = 2");
    let api = api(&site, "0");
    let request = page().for_host(&api.host());
    // The kernel spreads them: none of 16 with one of two shards happens once in 32,768 runs.
    let mut clients: Vec<Client> = (0..16).map(|_| Client::connect(site.public())).collect();
    for number in 1..4 {
        let body = number.to_string();
        set_body(&api, &body);
        api.deploy("prod");
        for client in &mut clients {
            let answer = request.ask_on(client);
            assert_eq!((answer.status, answer.text()), (200, body.as_str()), "{}", answer.head);
        }
    }
}

#[test]
fn the_last_of_many_deployments_stays() {
    let site = Managed::start();
    let api = api(&site, "begin");
    for number in 0..20 {
        set_body(&api, &number.to_string());
        api.deploy("prod");
    }
    api.ask_until(&page(), |answer| answer.text() == "19");
    for _ in 0..20 {
        assert_eq!(api.ask(&page()).text(), "19");
    }
}

#[test]
fn a_restart_serves_what_was_deployed_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = format!(
        "[management]\naddress = \"127.0.0.1:0\"\nstore = \"{}/state.redb\"\ntest_mode = true\n\n\
         [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n",
        folder.path().display()
    );
    let site = Managed::of(Gateway::start(&configuration));
    let request = page().for_host(&api(&site, "one").host());
    site.end();
    let site = Managed::of(Gateway::start(&configuration));
    // A gateway that says that it serves has what it serves.
    assert_eq!(site.ask(&request).text(), "one");
}

#[test]
fn a_reload_of_the_boot_file_keeps_what_is_deployed() {
    let site = Managed::start();
    let api = api(&site, "one");
    let request = page().for_host(&api.host());
    let mut client = Client::connect(site.public());
    for count in 1..4 {
        site.gateway().signal("HUP");
        let is_reloaded = |line: &Json| line["message"] == "the configuration was reloaded";
        site.gateway().wait_for_log_times(count, is_reloaded);
        assert_eq!(request.ask_on(&mut client).text(), "one");
        assert_eq!(api.ask(&page()).text(), "one", "on a new connection");
    }
    set_body(&api, "two");
    api.deploy("prod");
    api.ask_until(&page(), |answer| answer.text() == "two");
}

#[test]
fn a_successor_serves_what_is_deployed() {
    let site = Managed::start();
    let api = api(&site, "one");
    site.gateway().signal("USR2");
    site.gateway().wait_for_log_times(2, |line| line["message"] == "serving");
    assert_eq!(api.ask(&page()).text(), "one");
}

#[test]
fn a_reset_leaves_nothing_to_serve() {
    let site = Managed::start();
    let api = api(&site, "one");
    let (status, said) = site.management().call("POST", "/_shardgate/reset", None);
    assert_eq!(status, 200, "{said}");
    api.ask_until(&page(), Answer::is_of_no_api);
}

#[test]
fn apis_of_the_boot_file_are_served_beside() {
    let site = Managed::start_with(
        "[[api]]\nname = \"boot\"\nhosts = [\"boot.example\"]\n\n\
         [[api.route]]\nkey = \"$default\"\nmock = { body = \"boot\" }\n",
    );
    let api = api(&site, "deployed");
    assert_eq!(site.ask(&page().host("boot.example")).text(), "boot");
    assert_eq!(api.ask(&page()).text(), "deployed");
}
