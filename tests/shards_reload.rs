//! Reloads under load: no request fails, a broken file changes nothing, state is carried over.

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::{sync::Mutex, thread};

use harness::{Answer, Client, Gateway, Upstream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const RELOADED: &str = "the configuration was reloaded";
const NOT_RELOADED: &str = "the configuration was not reloaded";

fn configuration(upstream: &Upstream, text: &str, tables: &str) -> String {
    format!(
        r#"
[process]
shards = [0, 1]
watch = false

[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{}"]

[[api]]
name = "main"

[[api.route]]
key = "GET /mock"
mock = {{ body = "{text}" }}

[[api.route]]
key = "GET /limited"
mock = {{ body = "ok" }}
throttle = {{ rate_per_second = 0, burst_count = 5 }}

[[api.route]]
key = "GET /proxied"
upstream = "backend"

{tables}
"#,
        upstream.address()
    )
}

const EXTRA: &str = "[[listener]]\nname = \"extra\"\naddress = \"127.0.0.1:0\"\n";

fn reload(gateway: &Gateway) -> Answer {
    let mut admin = Client::connect(gateway.admin());
    admin.send("POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    admin.answer()
}

fn says(line: &serde_json::Value, start: &str) -> bool {
    line["message"].as_str().is_some_and(|message| message.starts_with(start))
}

/// Runs `during` while clients ask without pause; every answer must be a 200. How many came.
fn under_load(gateway: &Gateway, during: impl FnOnce()) -> u64 {
    let address = gateway.address("public");
    let (stops, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let ask = |path: &'static str| {
            let (stops, answered) = (&stops, &answered);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                while !stops.load(Ordering::Relaxed) {
                    let answer = client.request("GET", path);
                    assert_eq!(answer.status, 200, "{path}: {}", answer.head);
                    assert!(!answer.says_close(), "{path}: {}", answer.head);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        };
        for path in ["/mock", "/proxied", "/mock", "/proxied"] {
            ask(path);
        }
        // The clients stop however the reloads end, or a failure would hang.
        let _stop = StopOnDrop(&stops);
        during();
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 100 {
            thread::yield_now();
        }
    });
    answered.into_inner()
}

struct StopOnDrop<'s>(&'s AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_request_fails_over_many_reloads_of_every_kind() {
    let upstreams = [Upstream::answering(OK), Upstream::answering(OK)];
    let gateway = Gateway::start(&configuration(&upstreams[0], "round 0", ""));
    let answered = under_load(&gateway, || {
        let (mut reloaded, mut refused) = (0, 0);
        for round in 1..=24 {
            let upstream = &upstreams[round % 2];
            let text = format!("round {round}");
            match round % 4 {
                0 => {
                    gateway.rewrite(&configuration(upstream, &text, "[[api.route]]\nkey = 7\n"));
                    let answer = reload(&gateway);
                    refused += 1;
                    assert_eq!(answer.status, 422, "{}", answer.text());
                    assert!(answer.text().contains("gateway.toml"), "{}", answer.text());
                    let mock = gateway.connect().request("GET", "/mock");
                    assert_eq!(mock.text(), format!("round {}", round - 1), "nothing changed");
                    continue;
                }
                1 => {
                    gateway.rewrite(&configuration(upstream, &text, ""));
                    gateway.signal("HUP");
                    gateway.wait_for_log_times(reloaded + 1, |line| says(line, RELOADED));
                }
                2 => {
                    gateway.rewrite(&configuration(upstream, &text, EXTRA));
                    assert_eq!(reload(&gateway).status, 200);
                }
                _ => {
                    gateway.rewrite(&configuration(upstream, &text, ""));
                    assert_eq!(reload(&gateway).status, 200);
                }
            }
            reloaded += 1;
            assert_eq!(gateway.connect().request("GET", "/mock").text(), text);
        }
        let refusals = gateway.log().iter().filter(|line| says(line, NOT_RELOADED)).count();
        assert_eq!(refusals, refused);
    });
    assert!(answered > 0);
    // The load, and one look at /mock after each of the 24 reloads: none was lost to an epoch. A
    // proxied request counts once its last byte is sent, which its client may see first.
    let labels = "api=\"main\",stage=\"$default\",code_class=\"2xx\"";
    gateway.wait_for_metric("shardgate_requests_total", labels, (answered + 24) as f64);
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_requests_total", labels), (answered + 24) as f64);
    assert!(upstreams.iter().all(|upstream| upstream.connections_count() > 0));
}

#[test]
fn a_reload_refunds_no_burst() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(&configuration(&upstream, "a", ""));
    let mut client = gateway.connect();
    for round in 0..5 {
        assert_eq!(client.request("GET", "/limited").status, 200, "round {round}");
        gateway.rewrite(&configuration(&upstream, &format!("round {round}"), ""));
        assert_eq!(reload(&gateway).status, 200);
    }
    assert_eq!(client.request("GET", "/limited").status, 429);
}

#[test]
fn a_listener_comes_and_goes_with_the_file() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(&configuration(&upstream, "a", ""));
    gateway.rewrite(&configuration(&upstream, "a", EXTRA));
    assert_eq!(reload(&gateway).status, 200);
    let config = gateway.ask_admin("/config");
    let config: serde_json::Value = serde_json::from_str(config.text()).expect("JSON");
    let listeners = config["bound"].as_array().expect("listeners");
    let extra = listeners.iter().find(|one| one["name"] == "extra").expect("the new one");
    let address = extra["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let mut client = Client::connect(address);
    assert_eq!(client.request("GET", "/mock").status, 200);
    gateway.rewrite(&configuration(&upstream, "b", ""));
    assert_eq!(reload(&gateway).status, 200);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    assert_eq!(client.request("GET", "/mock").text(), "b", "its connections go on");
}

#[test]
fn a_watched_file_is_read_again_when_it_changes() {
    let upstream = Upstream::answering(OK);
    let text = |body| configuration(&upstream, body, "").replace("watch = false", "watch = true");
    let gateway = Gateway::start(&text("before"));
    gateway.rewrite(&text("after"));
    gateway.wait_for_log("a reload", |line| says(line, RELOADED));
    assert_eq!(gateway.connect().request("GET", "/mock").text(), "after");
}

#[test]
fn a_request_under_way_ends_in_the_epoch_that_it_began_in() {
    let (came, comes) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let (came, goes) = (Mutex::new(came), Mutex::new(goes));
    let upstream = Arc::new(Upstream::start(move |_, peer| {
        peer.request()?;
        came.lock().expect("no panic").send(()).expect("the test waits");
        goes.lock().expect("no panic").recv().expect("the test goes on");
        peer.send(OK)
    }));
    let gateway = Gateway::start(&configuration(&upstream, "a", ""));
    let mut client = gateway.connect();
    client.send("GET /proxied HTTP/1.1\r\nhost: a\r\n\r\n");
    comes.recv().expect("the request came");
    // The new epoch has neither the route nor the target group.
    let without = configuration(&upstream, "b", "");
    let (before, after) = without.split_once("[[upstream]]").expect("a group");
    let (_, after) = after.split_once("[[api]]").expect("an API");
    let (routes, _) = after.split_once("[[api.route]]\nkey = \"GET /proxied\"").expect("a route");
    gateway.rewrite(&format!("{before}[[api]]{routes}"));
    let answer = reload(&gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.connect().request("GET", "/proxied").status, 404);
    go.send(()).expect("the target waits");
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(client.request("GET", "/mock").text(), "b");
}
