//! `GET /upstreams`: how each shard sees its targets, and all shards together.

mod harness;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use harness::{Client, Gateway, HANG_GUARD, Upstream};
use serde_json::Value as Json;

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Two shards before the upstream that `lines` describe; `$default` goes to it.
fn configuration(lines: &str) -> String {
    format!(
        r#"
[process]
shards = 2

[[listener]]
name = "public"
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
{lines}

[[api]]
name = "main"
route = [{{ key = "$default", upstream = "backend" }}]
"#
    )
}

/// The group once `matches` it. Shards tell once a second.
fn wait_for_view(gateway: &Gateway, what: &str, matches: impl Fn(&Json) -> bool) -> Json {
    let begin = Instant::now();
    loop {
        let answer = gateway.ask_admin("/upstreams");
        let all: Json = serde_json::from_slice(&answer.body).expect("JSON");
        let group = all["upstreams"][0].clone();
        if matches(&group) {
            return group;
        }
        assert!(begin.elapsed() < HANG_GUARD, "no {what} in {group:#}");
        thread::yield_now();
    }
}

fn number(value: &Json, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value:#}"))
}

/// The numbers of a target are those of its shards together.
fn assert_sums(target: &Json) {
    let shards = target["shards"].as_array().expect("a list");
    for name in
        ["outstanding", "requests", "failures", "ejections", "connections_open", "connections_idle"]
    {
        let sum: u64 = shards.iter().map(|shard| number(shard, name)).sum();
        assert_eq!(number(target, name), sum, "{name} of {target:#}");
    }
}

#[test]
fn requests_and_connections_are_told_by_shard_and_together() {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let upstream = Upstream::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            if request.line().contains("/held") {
                let _ = held.lock().expect("not poisoned").recv();
            }
            peer.send(HI)?;
        }
    });
    let gateway =
        Gateway::start(&configuration(&format!("targets = [\"{}\"]", upstream.address())));
    let mut clients: Vec<Client> = (0..16).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET", "/").status, 200);
    }
    let view = wait_for_view(&gateway, "requests", |view| {
        let target = &view["targets"][0];
        target["requests"] == 16 && target["outstanding"] == 0
    });
    let target = &view["targets"][0];
    assert_sums(target);
    assert_eq!(target["address"], upstream.address().to_string());
    assert_eq!((number(target, "outstanding"), number(target, "failures")), (0, 0));
    let connections = upstream.connections_count() as u64;
    assert_eq!(number(target, "connections_open"), connections, "{view:#}");
    assert_eq!(number(target, "connections_idle"), connections, "{view:#}");
    assert_eq!(
        (target["health"].as_str(), target["ejected_by"].as_array()),
        (Some("unchecked"), Some(&vec![]))
    );
    let shards = target["shards"].as_array().expect("a list");
    let numbers: Vec<_> = shards.iter().map(|shard| number(shard, "shard")).collect();
    assert_eq!(numbers, [0, 1], "each shard is there, whether it was asked or not");
    for shard in shards {
        assert_eq!(
            (shard["share"].as_f64(), shard["slow_start"].as_bool()),
            (Some(1.0), Some(false))
        );
        assert!(shard["ejected_for_ms"].is_null() && shard["ejected_until_unix_ms"].is_null());
    }
    for shard in view["shards"].as_array().expect("a list") {
        assert_eq!((number(shard, "outstanding"), number(shard, "ejected")), (0, 0));
        assert!(number(shard, "outstanding_max") > 0 && shard["ejections_ignored"] == false);
    }

    clients[0].send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n");
    let is_held = |view: &Json| view["targets"][0]["outstanding"] == 1;
    let view = wait_for_view(&gateway, "an outstanding request", is_held);
    let target = &view["targets"][0];
    assert_sums(target);
    assert_eq!(number(target, "connections_open") - number(target, "connections_idle"), 1);
    let shards = view["shards"].as_array().expect("a list");
    assert_eq!(shards.iter().map(|shard| number(shard, "outstanding")).sum::<u64>(), 1);
    release.send(()).expect("it waits");
    assert_eq!(clients[0].answer().status, 200);
    wait_for_view(&gateway, "no outstanding request", |view| {
        view["targets"][0]["outstanding"] == 0 && view["targets"][0]["requests"] == 17
    });
}

#[test]
fn an_ejection_is_told_of_the_shards_that_made_it() {
    let live = Upstream::answering(HI);
    let gateway = Gateway::start(&configuration(&format!(
        "targets = [\"unix:{{dir}}/nobody.sock\", \"{}\"]\n\
         outlier = {{ consecutive_failures = 1, base_ejection_ms = 600000, ejection_ms_max = 600000 }}",
        live.address()
    )));
    // In turn: the second request at the latest comes to the dead target first.
    let mut client = gateway.connect();
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/").status, 200);
    }
    let is_ejected = |view: &Json| view["targets"][0]["ejections"] == 1;
    let view = wait_for_view(&gateway, "an ejection", is_ejected);
    let [dead, alive] = &view["targets"].as_array().expect("a list")[..] else {
        panic!("{view:#}")
    };
    assert_sums(dead);
    let dead_path = format!("unix:{}", gateway.folder().join("nobody.sock").display());
    assert_eq!((dead["address"].as_str(), number(dead, "failures")), (Some(&*dead_path), 1));
    assert_eq!((number(dead, "connections_open"), number(alive, "failures")), (0, 0));
    let by: Vec<_> = dead["ejected_by"].as_array().expect("a list").clone();
    assert_eq!(by.len(), 1, "the shard that was asked: {view:#}");
    for shard in dead["shards"].as_array().expect("a list") {
        let is_out = by.contains(&shard["shard"]);
        assert_eq!(shard["share"].as_f64(), Some(if is_out { 0.0 } else { 1.0 }), "{view:#}");
        let left_ms = shard["ejected_for_ms"].as_u64();
        assert_eq!(left_ms.is_some_and(|ms| ms > 500_000 && ms <= 600_000), is_out, "{view:#}");
        assert_eq!(shard["ejected_until_unix_ms"].is_u64(), is_out);
    }
    for shard in view["shards"].as_array().expect("a list") {
        assert_eq!(number(shard, "ejected"), u64::from(by.contains(&shard["shard"])));
    }
}

#[test]
fn a_target_that_comes_is_told_with_its_slow_start() {
    let (old, new) = (Upstream::answering(HI), Upstream::answering(HI));
    let lines = |targets: &str| format!("targets = [{targets}]\nslow_start_ms = 3600000");
    let gateway = Gateway::start(&configuration(&lines(&format!("\"{}\"", old.address()))));
    wait_for_view(&gateway, "the views of both shards", |view| {
        view["targets"][0]["shards"].as_array().is_some_and(|shards| shards.len() == 2)
    });
    let both = format!("\"{}\", {{ address = \"{}\", weight = 10 }}", old.address(), new.address());
    gateway.rewrite(&configuration(&lines(&both)));
    gateway.signal("HUP");
    let view = wait_for_view(&gateway, "the new target", |view| {
        view["targets"][1]["shards"].as_array().is_some_and(|shards| shards.len() == 2)
    });
    for (target, ramps) in [(&view["targets"][0], false), (&view["targets"][1], true)] {
        for shard in target["shards"].as_array().expect("a list") {
            let share = shard["share"].as_f64().expect("a number");
            assert_eq!(shard["slow_start"], ramps, "{view:#}");
            assert!(if ramps { share > 0.0 && share < 1.0 } else { share == 1.0 }, "{view:#}");
        }
    }
}
