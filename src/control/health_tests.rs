//! Active checks against servers in the test: every way in which a target can answer or not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::health::HealthChecks;
use super::health_check::{CheckError, CheckPlan, check};
use super::owned_task::OwnedTask;
use crate::coord::{Health, HealthChange, TargetBoard, TargetEndpoint, TargetRecord};
use crate::model::{ActiveHealth, Balance, RetryPolicy, TargetGroup, TargetProtocol};

/// A target that answers every request with the same bytes.
struct Server {
    address: TargetEndpoint,
    script: Arc<Script>,
    _task: OwnedTask,
}

#[derive(Default)]
struct Script {
    /// `None` is silence.
    answer: Mutex<Option<Vec<u8>>>,
    requests: Mutex<Vec<String>>,
    accepted: AtomicUsize,
}

impl Server {
    async fn tcp(answer: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = TargetEndpoint::Tcp(listener.local_addr().expect("bound"));
        let script = Arc::new(Script::default());
        let serving = Arc::clone(&script);
        let task = OwnedTask::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        let server = Self { address, script, _task: task };
        server.say(answer);
        server
    }

    fn unix(path: &Path, answer: Option<&str>) -> Self {
        let listener = UnixListener::bind(path).expect("a path");
        let script = Arc::new(Script::default());
        let serving = Arc::clone(&script);
        let task = OwnedTask::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        let server = Self { address: TargetEndpoint::Unix(path.to_owned()), script, _task: task };
        server.say(answer);
        server
    }

    fn say(&self, answer: Option<&str>) {
        *self.script.answer.lock().expect("no panics while held") =
            answer.map(|text| text.as_bytes().to_vec());
    }

    fn requests(&self) -> Vec<String> {
        self.script.requests.lock().expect("no panics while held").clone()
    }

    fn accepted(&self) -> usize {
        self.script.accepted.load(Ordering::Relaxed)
    }
}

impl Script {
    async fn serve(self: Arc<Self>, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        self.requests.lock().expect("no panics while held").push(text);
        let answer = self.answer.lock().expect("no panics while held").clone();
        match answer {
            Some(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
            None => std::future::pending().await,
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn policy() -> ActiveHealth {
    ActiveHealth {
        path: "/healthz?full=1".to_owned(),
        grpc_service: None,
        interval_ms: 1,
        timeout_ms: 60_000,
        unhealthy_count: 2,
        healthy_count: 2,
        status_min: 200,
        status_max: 399,
    }
}

fn plan(policy: ActiveHealth) -> CheckPlan {
    CheckPlan { policy, protocol: TargetProtocol::Http1, tls: None }
}

/// A port where nobody listens and nobody else can begin to: it is bound for as long as the socket
/// lives.
fn nobody() -> (TargetEndpoint, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    (TargetEndpoint::Tcp(socket.local_addr().expect("bound")), socket)
}

#[tokio::test]
async fn answers_that_are_a_success() {
    let server = Server::tcp(Some(OK)).await;
    check(&server.address, "a.test:80", &plan(policy())).await.expect("200");
    for status in [200, 399] {
        server.say(Some(&format!("HTTP/1.1 {status} x\r\n\r\n")));
        check(&server.address, "a.test:80", &plan(policy())).await.expect("in range");
    }
    // The head decides, whatever the body does.
    server.say(Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut"));
    check(&server.address, "a.test:80", &plan(policy())).await.expect("200");
    server.say(Some(&format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(300_000))));
    check(&server.address, "a.test:80", &plan(policy())).await.expect("200");
    let request = server.requests()[0].to_lowercase();
    assert!(request.starts_with("get /healthz?full=1 http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: a.test:80\r\n"), "{request}");
    assert!(request.contains("\r\nconnection: close\r\n"), "{request}");
}

#[tokio::test]
async fn answers_that_are_none() {
    let server = Server::tcp(Some(UNAVAILABLE)).await;
    for status in [199, 400, 503] {
        server.say(Some(&format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n")));
        let result = check(&server.address, "a", &plan(policy())).await;
        // 199 is an interim answer after which nothing comes.
        assert!(result.is_err(), "{status}");
    }
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    for garbage in ["", "\r\n", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nx", &huge] {
        server.say(Some(garbage));
        let result = check(&server.address, "a", &plan(policy())).await;
        assert!(matches!(result, Err(CheckError::NoAnswer(_))), "{result:?}");
    }
    server.say(None);
    let hasty = ActiveHealth { timeout_ms: 1, ..policy() };
    let result = check(&server.address, "a", &plan(hasty)).await;
    assert!(matches!(result, Err(CheckError::Timeout { timeout_ms: 1 })), "{result:?}");
    let (dead, _socket) = nobody();
    let result = check(&dead, "a", &plan(policy())).await;
    assert!(matches!(result, Err(CheckError::Connect(_))), "{result:?}");
    let result = check(&server.address, "a\r\nb", &plan(policy())).await;
    assert!(matches!(result, Err(CheckError::BadRequest(_))), "{result:?}");
}

#[tokio::test]
async fn unix_sockets_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("target.sock");
    let server = Server::unix(&path, Some(OK));
    check(&server.address, "localhost", &plan(policy())).await.expect("200");
    let missing = TargetEndpoint::Unix(folder.path().join("missing.sock"));
    let result = check(&missing, "localhost", &plan(policy())).await;
    assert!(matches!(result, Err(CheckError::Connect(_))), "{result:?}");
}

struct World {
    board: Arc<TargetBoard>,
    checks: HealthChecks,
    changes: UnboundedReceiver<HealthChange>,
}

fn world() -> World {
    let board = Arc::new(TargetBoard::new());
    let (sender, changes) = unbounded_channel();
    let announce = move |change| sender.send(change).expect("the test listens");
    World { checks: HealthChecks::new(Arc::clone(&board), 7, announce), board, changes }
}

impl World {
    fn publish(&self, group: &str, addresses: &[&TargetEndpoint]) {
        let records: Vec<_> = (0..)
            .zip(addresses)
            .map(|(target_index, address)| TargetRecord {
                address: (*address).clone(),
                weight: 1,
                target_index,
                host: Arc::from("a.test"),
            })
            .collect();
        let list = self.board.publish(group, &records).expect("a change");
        self.checks.on_targets(&list);
    }

    async fn change(&mut self) -> (TargetEndpoint, Health) {
        let change = self.changes.recv().await.expect("a change");
        (change.address, change.health)
    }

    fn health(&self, group: &str, at: usize) -> Health {
        self.board.find(group).expect("a list").addresses[at].health.get()
    }
}

fn group(name: &str, health: Option<ActiveHealth>) -> TargetGroup {
    TargetGroup {
        name: name.to_owned(),
        targets: Vec::new(),
        balance: Balance::RoundRobin,
        protocol: TargetProtocol::Http1,
        grpc_web: true,
        preserve_host: false,
        connect_timeout_ms: 1,
        idle_timeout_ms: 1,
        total_timeout_ms: 0,
        keepalive_timeout_ms: 1,
        keepalive_connections_max: 1,
        keepalive_requests_max: 0,
        outstanding_per_shard_max: 1,
        retry: RetryPolicy {
            attempts_max: 0,
            sends_again: true,
            budget_percent: 0,
            on_gateway_status: false,
        },
        health,
        outlier: None,
        slow_start_ms: 0,
        dns_ttl_ms_max: 60_000,
    }
}

#[tokio::test]
async fn verdicts_follow_the_target() {
    let server = Server::tcp(Some(OK)).await;
    let mut world = world();
    world.publish("a", &[&server.address]);
    world.checks.watch(&[group("a", Some(policy()))], &BTreeMap::new());
    for (answer, verdict) in [
        (Some(OK), Health::Healthy),
        (Some(UNAVAILABLE), Health::Unhealthy),
        (Some(OK), Health::Healthy),
        (Some("garbage"), Health::Unhealthy),
    ] {
        server.say(answer);
        assert_eq!(world.change().await, (server.address.clone(), verdict));
        assert_eq!(world.health("a", 0), verdict);
    }
    let counters = world.checks.counters();
    assert!(counters.failures_total.load(Ordering::Relaxed) >= 4);
    assert!(counters.checks_total.load(Ordering::Relaxed) >= 7);
}

#[tokio::test]
async fn a_silent_target_does_not_hold_up_the_others() {
    let (silent, (dead, _socket)) = (Server::tcp(None).await, nobody());
    let good = Server::tcp(Some(OK)).await;
    let mut world = world();
    world.publish("a", &[&silent.address, &dead, &good.address]);
    world.checks.watch(&[group("a", Some(policy()))], &BTreeMap::new());
    let mut seen = [world.change().await, world.change().await];
    seen.sort_by_key(|(_, health)| *health as u8);
    assert_eq!(seen, [(good.address.clone(), Health::Healthy), (dead, Health::Unhealthy)]);
    assert_eq!(world.health("a", 0), Health::Unchecked);
}

#[tokio::test]
async fn targets_come_and_go() {
    let (one, other) = (Server::tcp(Some(UNAVAILABLE)).await, Server::tcp(Some(OK)).await);
    let mut world = world();
    world.checks.watch(&[group("a", Some(policy()))], &BTreeMap::new());
    world.publish("a", &[&one.address]);
    assert_eq!(world.change().await, (one.address.clone(), Health::Unhealthy));
    world.publish("a", &[&one.address, &other.address]);
    assert_eq!(world.change().await, (other.address.clone(), Health::Healthy));
    world.publish("a", &[&other.address]);
    // The one that is gone is not checked any more: its task and its connections have ended when
    // the other one has been asked a few times since.
    let (before, since) = (one.accepted(), other.accepted());
    while other.accepted() < since + 10 {
        tokio::task::yield_now().await;
    }
    assert!(one.accepted() <= before + 1);
}

#[tokio::test]
async fn without_checks_a_target_is_unchecked() {
    let server = Server::tcp(Some(UNAVAILABLE)).await;
    let mut world = world();
    world.publish("a", &[&server.address]);
    world.publish("b", &[&server.address]);
    world.checks.watch(&[group("a", Some(policy())), group("b", None)], &BTreeMap::new());
    assert_eq!(world.change().await, (server.address.clone(), Health::Unhealthy));
    assert_eq!(world.health("b", 0), Health::Unchecked);
    // Another policy goes on from the verdict; none at all takes it back.
    let stricter = ActiveHealth { status_max: 599, ..policy() };
    world.checks.watch(&[group("a", Some(stricter))], &BTreeMap::new());
    assert_eq!(world.health("a", 0), Health::Unhealthy);
    assert_eq!(world.change().await, (server.address.clone(), Health::Healthy));
    world.checks.watch(&[group("a", None)], &BTreeMap::new());
    assert_eq!(world.change().await, (server.address.clone(), Health::Unchecked));
    assert_eq!(world.health("a", 0), Health::Unchecked);
}

#[tokio::test]
async fn the_same_plan_again_changes_nothing() {
    let (server, clock) = (Server::tcp(None).await, Server::tcp(Some(OK)).await);
    let world = world();
    world.publish("a", &[&server.address, &clock.address]);
    for round in 1..=3 {
        world.checks.watch(&[group("a", Some(policy()))], &BTreeMap::new());
        while server.accepted() == 0 || clock.accepted() < 10 * round {
            tokio::task::yield_now().await;
        }
    }
    // Still the first check, which waits for its answer.
    assert_eq!(server.accepted(), 1);
}
