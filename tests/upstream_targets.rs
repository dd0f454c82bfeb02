//! Target groups before real sockets: who gets a request, what is tried again, who is left out.

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use harness::{Client, Echo, Gateway, Upstream};
use socket2::{Domain, Protocol, Socket, Type};

/// The gateway before the targets that `upstream` names; `$default` goes to them.
fn gateway(upstream: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
{upstream}

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "backend"
"#
    ))
}

fn targets<A: ToString>(addresses: impl IntoIterator<Item = A>) -> String {
    let quoted = addresses.into_iter().map(|address| format!("\"{}\"", address.to_string()));
    format!("targets = [{}]\n", quoted.collect::<Vec<_>>().join(", "))
}

/// An address that refuses connections for as long as the socket lives.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any_port.into()).expect("a free port");
    let address = socket.local_addr().expect("bound").as_socket().expect("an IP address");
    (socket, address)
}

/// An upstream that answers every request with `name`.
fn named(name: &str) -> Upstream {
    let length = name.len();
    Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}"))
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// How often each answer came to `count` requests.
fn spread(client: &mut Client, count: usize) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for _ in 0..count {
        let answer = client.request("GET", "/");
        assert_eq!(answer.status, 200, "{}", answer.head);
        *spread.entry(answer.text().to_owned()).or_default() += 1;
    }
    spread
}

#[test]
fn a_dead_target_of_two_costs_no_client_an_error() {
    let (_socket, dead) = refusing();
    let live = named("live");
    let gateway = gateway(&targets([dead, live.address()]));
    let address = gateway.address("public");
    let clients = (0..4).map(|_| {
        thread::spawn(move || {
            let mut client = Client::connect(address);
            for _ in 0..100 {
                assert_eq!(client.request("GET", "/").text(), "live");
                // It was not sent anywhere, so a POST is tried again as well.
                client.send(post("/", "once"));
                assert_eq!(client.answer().text(), "live");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().expect("no error");
    }
    assert_eq!(live.requests().len(), 800, "each arrives once");
    assert_eq!(gateway.metric("shardgate_upstream_retries_denied_total", ""), 0.0);
    assert!(gateway.metric("shardgate_upstream_failures_total", "cause=\"connect\"") > 0.0);
}

#[test]
fn a_target_that_is_killed_under_load_costs_no_client_an_error() {
    kill_under_load(1);
}

#[test]
fn nor_with_two_shards() {
    kill_under_load(2);
}

fn kill_under_load(shards: usize) {
    const CLIENTS: usize = 16;
    let backends = [Echo::start(), Echo::start(), Echo::start()];
    let process = format!("[process]\nshards = {shards}\n");
    let gateway = gateway(&(targets(backends.iter().map(Echo::address)) + &process));
    let address = gateway.address("public");
    let is_over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
            thread::spawn(move || {
                let mut client = Client::connect(address);
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.request("GET", "/");
                    assert_eq!((answer.status, answer.body.len()), (200, 256), "{}", answer.head);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let serve_more = |count: usize| {
        let until = served.load(Ordering::Relaxed) + count;
        while served.load(Ordering::Relaxed) < until && !clients.iter().any(|one| one.is_finished())
        {
            thread::yield_now();
        }
    };
    serve_more(100 * CLIENTS);
    backends[0].kill();
    serve_more(100 * CLIENTS);
    backends[1].kill();
    serve_more(100 * CLIENTS);
    is_over.store(true, Ordering::Relaxed);
    let errors = clients.into_iter().filter_map(|client| client.join().err()).count();
    assert_eq!(errors, 0);
}

/// Takes a request and ends the connection without a byte.
fn silent() -> Upstream {
    Upstream::start(|_, peer| {
        peer.request()?;
        peer.close();
        Ok(())
    })
}

#[test]
fn what_is_not_safe_is_sent_at_most_once() {
    let (first, second) = (silent(), silent());
    let gateway = gateway(&targets([first.address(), second.address()]));
    let count = || first.requests().len() + second.requests().len();
    let mut sent = 0;
    for (method, tries) in
        [("POST", 1), ("PATCH", 1), ("PUT", 2), ("DELETE", 2), ("OPTIONS", 2), ("GET", 2)]
    {
        let mut client = gateway.connect();
        client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"));
        let answer = client.answer();
        assert_eq!(answer.status, 502, "{method}");
        sent += tries;
        assert_eq!(count(), sent, "{method}");
    }
    for upstream in [first, second] {
        assert!(upstream.requests().iter().all(|request| request.body == b"body"));
    }
}

#[test]
fn a_body_that_is_gone_is_not_sent_again() {
    let upstream = silent();
    let gateway = gateway(&targets([upstream.address()]));
    let mut client = gateway.connect();
    // Too long to be kept, so the second try would have none.
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    assert_eq!(client.answer().status, 502);
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn attempts_are_bounded_and_zero_is_none() {
    for attempts_max in [0, 1, 3] {
        let upstream = silent();
        let gateway = gateway(&format!(
            "{}[upstream.retry]\nattempts_max = {attempts_max}\n",
            targets([upstream.address()])
        ));
        assert_eq!(gateway.connect().request("GET", "/").status, 502);
        assert_eq!(upstream.requests().len(), attempts_max + 1);
    }
}

#[test]
fn retries_have_a_budget() {
    let upstream = silent();
    let gateway = gateway(&format!(
        "{}[upstream.retry]\nbudget_percent = 0\n",
        targets([upstream.address()])
    ));
    let mut client = gateway.connect();
    for _ in 0..40 {
        assert_eq!(client.request("GET", "/").status, 502);
    }
    let retries = gateway.metric("shardgate_upstream_retries_total", "");
    let denied = gateway.metric("shardgate_upstream_retries_denied_total", "");
    assert_eq!(retries + denied, 40.0);
    assert!(retries >= 10.0, "a few are always allowed: {retries}");
    assert!(denied > 0.0);
    assert_eq!(upstream.requests().len(), 40 + retries as usize);
}

#[test]
fn gateway_statuses_are_tried_elsewhere_if_asked_for() {
    for (is_asked, method, expected) in
        [(true, "GET", 200), (true, "POST", 503), (false, "GET", 503)]
    {
        let bad = Upstream::answering("HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nbad");
        let good = named("good");
        let gateway = gateway(&format!(
            "{}[upstream.retry]\non_gateway_status = {is_asked}\n",
            targets([bad.address(), good.address()])
        ));
        let mut client = gateway.connect();
        let mut statuses = BTreeSet::new();
        for _ in 0..4 {
            client.send(format!("{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"));
            statuses.insert(client.answer().status);
        }
        assert_eq!(statuses.last(), Some(&expected), "{is_asked} {method}");
    }
}

#[test]
fn an_idle_connection_that_the_target_closed_costs_no_error() {
    // Says nothing of closing, and closes.
    let upstream = Upstream::answering_once("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let gateway = gateway(&targets([upstream.address()]));
    let mut client = gateway.connect();
    for _ in 0..100 {
        assert_eq!(client.request("GET", "/").text(), "hi");
    }
    assert_eq!(upstream.requests().len(), 100);
}

#[test]
fn a_reused_connection_that_breaks_is_replaced_without_a_retry() {
    // Closes on getting its second request: the race that no check before sending can exclude.
    let upstream = Upstream::start(|_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")?;
        peer.request()?;
        peer.close();
        Ok(())
    });
    let gateway =
        gateway(&format!("{}[upstream.retry]\nattempts_max = 0\n", targets([upstream.address()])));
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/").text(), "hi");
    }
    client.send(post("/", "body"));
    assert_eq!(client.answer().status, 502, "a POST may have been served");
    client.send(post("/", "body"));
    assert_eq!(client.answer().text(), "hi", "on a new connection");
}

#[test]
fn a_group_without_answer_is_an_error_that_says_which() {
    let (_socket, dead) = refusing();
    let gateway = gateway(&targets([dead]));
    let answer = gateway.connect().request("GET", "/");
    assert_eq!(answer.status, 502);
    assert!(answer.header("apigw-requestid").is_some(), "{}", answer.head);
    assert_eq!(gateway.metric("shardgate_upstream_failures_total", "cause=\"connect\""), 2.0);
}

#[test]
fn round_robin_takes_turns() {
    let upstreams = ["a", "b", "c"].map(named);
    let gateway = gateway(&targets(upstreams.iter().map(Upstream::address)));
    let counts = spread(&mut gateway.connect(), 30);
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn weights_are_shares() {
    let (heavy, light) = (named("heavy"), named("light"));
    for balance in ["round_robin", "power_of_two_choices", "least_outstanding"] {
        let gateway = gateway(&format!(
            "balance = \"{balance}\"\ntargets = [{{ address = \"{}\", weight = 3 }}, \"{}\"]\n",
            heavy.address(),
            light.address()
        ));
        let counts = spread(&mut gateway.connect(), 400);
        let heavy_count = counts["heavy"];
        match balance {
            "round_robin" => assert!((299..=301).contains(&heavy_count), "{counts:?}"),
            // By chance (seven standard deviations), or by load, of which there is none here.
            _ => assert!(heavy_count > 140 && counts["light"] > 0, "{balance} {counts:?}"),
        }
    }
}

/// An upstream that answers "busy" to `/hold` only when told, and everything else at once.
fn holding() -> (Upstream, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (arrived, arrival) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let arrived = std::sync::Mutex::new(arrived);
    let upstream = Upstream::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            if request.line().starts_with("GET /hold ") {
                let _ = arrived.lock().expect("sound").send(());
                let _ = released.lock().expect("sound").recv();
            }
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbusy")?;
        }
    });
    (upstream, release, arrival)
}

#[test]
fn loaded_targets_are_passed_over() {
    for balance in ["least_outstanding", "power_of_two_choices"] {
        let (busy, release, arrival) = holding();
        let free = named("free");
        let gateway = gateway(&format!(
            "balance = \"{balance}\"\n{}",
            targets([busy.address(), free.address()])
        ));
        // Until one is held; the others were answered at once by the free target.
        let mut held = gateway.connect();
        loop {
            held.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n");
            if arrival.recv_timeout(std::time::Duration::from_millis(200)).is_ok() {
                break;
            }
            assert_eq!(held.answer().text(), "free");
        }
        let counts = spread(&mut gateway.connect(), 50);
        assert_eq!(counts.get("free"), Some(&50), "{balance} {counts:?}");
        release.send(()).expect("the upstream waits");
        assert_eq!(held.answer().text(), "busy");
    }
}

#[test]
fn power_of_two_choices_uses_all_targets() {
    let upstreams = ["a", "b", "c"].map(named);
    let gateway = gateway(&format!(
        "balance = \"power_of_two_choices\"\n{}",
        targets(upstreams.iter().map(Upstream::address))
    ));
    let counts = spread(&mut gateway.connect(), 300);
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| *count > 40), "{counts:?}");
}

#[test]
fn a_consistent_hash_sticks_and_spreads() {
    let upstreams = ["a", "b", "c", "d"].map(named);
    let hashed = |names: &[&Upstream]| {
        gateway(&format!(
            "balance = \"consistent_hash\"\nhash_key = \"header:x-user\"\n{}",
            targets(names.iter().map(|upstream| upstream.address()))
        ))
    };
    let placed = |gateway: &Gateway| {
        let mut client = gateway.connect();
        let mut placed = BTreeMap::new();
        for user in (0..200).chain(0..200) {
            client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx-user: user-{user}\r\n\r\n"));
            let name = client.answer().text().to_owned();
            let before = placed.insert(user, name.clone());
            assert!(before.is_none_or(|before| before == name), "user {user} moved");
        }
        placed
    };
    let all = placed(&hashed(&upstreams.each_ref()));
    for name in ["a", "b", "c", "d"] {
        let share = all.values().filter(|placed| *placed == name).count();
        assert!(share > 10, "{name} got {share} of 200");
    }
    // Another process, one target fewer: only what was on it moves.
    let fewer = placed(&hashed(&[&upstreams[0], &upstreams[1], &upstreams[2]]));
    for (user, name) in &all {
        assert!(name == "d" || fewer[user] == *name, "user {user} moved from {name}");
    }
}

#[test]
fn a_hash_of_the_path_sticks() {
    let upstreams = ["a", "b", "c"].map(named);
    let gateway = gateway(&format!(
        "balance = \"consistent_hash\"\nhash_key = \"path\"\n{}",
        targets(upstreams.iter().map(Upstream::address))
    ));
    let mut client = gateway.connect();
    let mut used = BTreeSet::new();
    for number in 0..60 {
        let path = format!("/{number}");
        let first = client.request("GET", &path).text().to_owned();
        assert_eq!(client.request("GET", &path).text(), first);
        used.insert(first);
    }
    assert_eq!(used.len(), 3);
}

/// Answers checks with `status`, other requests with `name`.
fn checked(name: &'static str, status: &Arc<AtomicU16>) -> Upstream {
    let status = Arc::clone(status);
    Upstream::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            let length = name.len();
            if request.line().starts_with("GET /health ") {
                let status = status.load(Ordering::SeqCst);
                peer.send(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"))?;
            } else {
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}"))?;
            }
        }
    })
}

#[test]
fn active_checks_take_a_target_out_and_back() {
    let (steady, moody) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(200)));
    let upstreams = [checked("steady", &steady), checked("moody", &moody)];
    let gateway = gateway(&format!(
        "{}[upstream.health]\npath = \"/health\"\ninterval_ms = 10\ntimeout_ms = 10\n\
         unhealthy_count = 2\nhealthy_count = 2\n",
        targets(upstreams.iter().map(Upstream::address))
    ));
    let family = "shardgate_upstream_target_healthy";
    let label = format!("{}", upstreams[1].address());
    gateway.wait_for_metric(family, &label, 1.0);
    let mut client = gateway.connect();
    while spread(&mut client, 10).len() < 2 {}
    for _ in 0..2 {
        moody.store(500, Ordering::SeqCst);
        gateway.wait_for_metric(family, &label, 0.0);
        let counts = spread(&mut client, 20);
        assert_eq!(counts.get("moody"), None, "{counts:?}");
        moody.store(204, Ordering::SeqCst);
        gateway.wait_for_metric(family, &label, 1.0);
        while spread(&mut client, 10).len() < 2 {}
    }
}

#[test]
fn no_healthy_target_is_503_at_once() {
    let status = Arc::new(AtomicU16::new(500));
    let upstream = checked("never", &status);
    let gateway = gateway(&format!(
        "{}[upstream.health]\npath = \"/health\"\ninterval_ms = 10\ntimeout_ms = 10\n\
         unhealthy_count = 1\n",
        targets([upstream.address()])
    ));
    gateway.wait_for_metric("shardgate_upstream_target_healthy", "backend", 0.0);
    assert_eq!(gateway.connect().request("GET", "/").status, 503);
}

#[test]
fn a_target_that_fails_in_a_row_is_left_out() {
    let bad = Upstream::answering("HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad");
    let good = named("good");
    let gateway = gateway(&format!(
        "{}[upstream.outlier]\nconsecutive_failures = 3\nbase_ejection_ms = 3600000\n\
         ejection_ms_max = 3600000\n",
        targets([bad.address(), good.address()])
    ));
    let mut client = gateway.connect();
    let failed = (0..40).filter(|_| client.request("GET", "/").status == 500).count();
    assert_eq!(failed, 3);
    assert_eq!(gateway.metric("shardgate_upstream_ejections_total", ""), 1.0);
}

#[test]
fn a_target_that_was_left_out_comes_back() {
    let bad = Upstream::answering("HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad");
    let good = named("good");
    let gateway = gateway(&format!(
        "{}[upstream.outlier]\nconsecutive_failures = 2\nbase_ejection_ms = 1\n\
         ejection_ms_max = 1\n",
        targets([bad.address(), good.address()])
    ));
    let mut client = gateway.connect();
    let mut failed = 0;
    while failed < 4 {
        failed += usize::from(client.request("GET", "/").status == 500);
    }
    assert!(gateway.metric("shardgate_upstream_ejections_total", "") >= 2.0);
}

#[test]
fn the_circuit_opens_at_its_bound() {
    let (upstream, release, arrival) = holding();
    let gateway =
        gateway(&format!("outstanding_per_shard_max = 2\n{}", targets([upstream.address()])));
    let mut held = [gateway.connect(), gateway.connect()];
    for client in &mut held {
        client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n");
        arrival.recv().expect("it arrives");
    }
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").status, 503, "both places are taken");
    assert_eq!(gateway.metric("shardgate_upstream_circuit_open_total", ""), 1.0);
    assert_eq!(gateway.metric("shardgate_upstream_requests_outstanding", ""), 2.0);
    release.send(()).expect("the upstream waits");
    release.send(()).expect("the upstream waits");
    for client in &mut held {
        assert_eq!(client.answer().text(), "busy");
    }
    assert_eq!(client.request("GET", "/").status, 200);
    assert_eq!(gateway.metric("shardgate_upstream_requests_outstanding", ""), 0.0);
}

#[test]
fn unix_sockets_and_names_are_targets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("target.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nunix");
                }
            });
        }
    });
    let by_name = named("name");
    let gateway = gateway(&targets([
        format!("unix:{}", path.display()),
        format!("localhost:{}", by_name.address().port()),
    ]));
    // The name may stand for ::1 too, where nobody listens: that is a dead target.
    let mut client = gateway.connect();
    let mut counts = BTreeMap::new();
    while counts.len() < 2 {
        counts.append(&mut spread(&mut client, 6));
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["name", "unix"]);
    drop(folder);
}

#[test]
fn a_unix_socket_without_server_is_a_dead_target() {
    let live = named("live");
    let gateway =
        gateway(&targets(["unix:/nonexistent/target.sock".to_owned(), live.address().to_string()]));
    let counts = spread(&mut gateway.connect(), 50);
    assert_eq!(counts["live"], 50);
}

/// A listener that takes no connection: its queue is full, so further ones are not answered.
fn full_listener() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let (socket, address) = refusing();
    socket.listen(0).expect("it listens");
    let mut waiting = Vec::new();
    let patience = std::time::Duration::from_millis(200);
    while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
        waiting.push(stream);
    }
    (socket, waiting, address)
}

#[test]
fn connecting_has_a_timeout() {
    let (_socket, _waiting, full) = full_listener();
    let alone = gateway(&format!("connect_timeout_ms = 50\n{}", targets([full])));
    assert_eq!(alone.connect().request("GET", "/").status, 504);
    assert_eq!(alone.metric("shardgate_deadlines_fired_total", "kind=\"connect\""), 2.0);
    assert_eq!(alone.metric("shardgate_upstream_failures_total", "cause=\"connect_timeout\""), 2.0);
    drop(alone);
    let live = named("live");
    let both = gateway(&format!("connect_timeout_ms = 50\n{}", targets([full, live.address()])));
    let mut client = both.connect();
    client.send(post("/", "body"));
    assert_eq!(client.answer().text(), "live");
    assert_eq!(spread(&mut client, 5)["live"], 5);
}

#[test]
fn connections_are_kept_counted_and_worn_out() {
    let upstream = named("x");
    let gateway =
        gateway(&format!("keepalive_requests_max = 3\n{}", targets([upstream.address()])));
    spread(&mut gateway.connect(), 9);
    assert_eq!(upstream.connections_count(), 3);
    assert_eq!(gateway.metric("shardgate_upstream_connections_opened_total", ""), 3.0);
    assert_eq!(gateway.metric("shardgate_upstream_connections_reused_total", ""), 6.0);
    gateway.wait_for_metric("shardgate_upstream_connections_closed_total", "", 3.0);
}

#[test]
fn unused_connections_are_closed_in_time() {
    let (ended, end) = mpsc::channel();
    let ended = std::sync::Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")?;
        let rest = peer.rest()?;
        ended.lock().expect("sound").send(rest).expect("the test waits");
        Ok(())
    });
    let gateway = gateway(&format!("keepalive_timeout_ms = 1\n{}", targets([upstream.address()])));
    spread(&mut gateway.connect(), 1);
    assert_eq!(end.recv().expect("the connection ends"), b"");
    gateway.wait_for_metric("shardgate_deadlines_fired_total", "kind=\"upstream_keepalive\"", 1.0);
    gateway.wait_for_metric("shardgate_upstream_connections_idle", "", 0.0);
}

#[test]
fn a_bound_on_kept_connections_holds() {
    let barrier = Arc::new(Barrier::new(4));
    let at_once = Arc::clone(&barrier);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        at_once.wait();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx")?;
        peer.rest()?;
        Ok(())
    });
    let gateway =
        gateway(&format!("keepalive_connections_max = 1\n{}", targets([upstream.address()])));
    let mut clients: Vec<_> = (0..4).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().text(), "x");
    }
    assert_eq!(upstream.connections_count(), 4);
    gateway.wait_for_metric("shardgate_upstream_connections_closed_total", "", 3.0);
}
