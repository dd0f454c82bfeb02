//! Group lists under a scripted resolver: every way in which a lookup can end, in order.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::dns::{ADDRESSES_PER_NAME_MAX, Resolution, Resolve, ResolveError};
use super::target_watch::{TargetWatch, Unresolved};
use crate::coord::{GroupTargets, TargetBoard, TargetEndpoint};
use crate::model::{Balance, RetryPolicy, Target, TargetAddress, TargetGroup};

/// What the next lookup of a name does.
#[derive(Clone)]
enum Answer {
    Addresses(Vec<IpAddr>, Duration),
    Fail,
    Hang,
    Panic,
}

/// Answers by script, per name; the last answer is repeated.
#[derive(Clone, Default)]
struct ScriptedResolver {
    answers: Arc<Mutex<HashMap<String, VecDeque<Answer>>>>,
}

impl ScriptedResolver {
    fn script(&self, host: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut all = self.answers.lock().expect("no panics while held");
        all.insert(host.to_owned(), answers.into_iter().collect());
    }

    fn next(&self, host: &str) -> Answer {
        let mut all = self.answers.lock().expect("no panics while held");
        let Some(answers) = all.get_mut(host) else { return Answer::Fail };
        match answers.len() {
            0 => Answer::Fail,
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap_or(Answer::Fail),
        }
    }
}

impl Resolve for ScriptedResolver {
    async fn resolve(&self, host: &str) -> Result<Resolution, ResolveError> {
        match self.next(host) {
            Answer::Addresses(addresses, ttl) => Resolution::new(host, addresses, ttl),
            Answer::Fail => {
                let reason = "a loop of aliases".to_owned();
                Err(ResolveError::Failed { name: host.to_owned(), reason })
            }
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("scripted"),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
const NO_TIME: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(3_600);

struct World {
    resolver: ScriptedResolver,
    board: Arc<TargetBoard>,
    watch: TargetWatch<ScriptedResolver>,
    lists: UnboundedReceiver<Arc<GroupTargets>>,
}

fn world() -> World {
    let (resolver, board) = (ScriptedResolver::default(), Arc::new(TargetBoard::new()));
    let (sender, lists) = unbounded_channel();
    let announce = move |list| sender.send(list).expect("the test listens");
    // Names are asked again at once where an answer does not hold, so no test waits for a clock.
    let ttl_min = Duration::from_millis(1);
    let watch = TargetWatch::with_ttl_min(resolver.clone(), Arc::clone(&board), announce, ttl_min);
    World { resolver, board, watch, lists }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn socket(last: u8, port: u16) -> TargetEndpoint {
    TargetEndpoint::Tcp(SocketAddr::new(ip(last), port))
}

fn name(host: &str, port: u16) -> TargetAddress {
    TargetAddress::Name { host: host.to_owned(), port }
}

fn group(group: &str, addresses: impl IntoIterator<Item = TargetAddress>) -> TargetGroup {
    let targets = addresses.into_iter().map(|address| Target { address, weight: 3 }).collect();
    TargetGroup {
        name: group.to_owned(),
        targets,
        balance: Balance::RoundRobin,
        protocol: crate::model::TargetProtocol::Http1,
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
        health: None,
        outlier: None,
        slow_start_ms: 0,
        dns_ttl_ms_max: 60_000,
    }
}

fn found(board: &TargetBoard, group: &str) -> Vec<TargetEndpoint> {
    let list = board.find(group).expect("a list");
    list.addresses.iter().map(|target| target.address.clone()).collect()
}

#[tokio::test]
async fn literal_targets_are_there_at_once() {
    let mut world = world();
    world.resolver.script("slow.test", [Answer::Hang]);
    let addresses = [
        TargetAddress::Socket(SocketAddr::new(ip(1), 80)),
        name("slow.test", 81),
        TargetAddress::Unix(PathBuf::from("/run/a.sock")),
    ];
    let unresolved = world.watch.watch(&[group("a", addresses)], NO_TIME).await;
    assert_eq!(unresolved, [Unresolved { group: "a".to_owned(), host: "slow.test".to_owned() }]);
    let expected = [socket(1, 80), TargetEndpoint::Unix(PathBuf::from("/run/a.sock"))];
    assert_eq!(found(&world.board, "a"), expected);
    let list = world.board.find("a").expect("a list");
    let hosts: Vec<_> = list.addresses.iter().map(|one| (&*one.host, one.target_index)).collect();
    assert_eq!(hosts, [("10.0.0.1:80", 0), ("localhost", 2)]);
    assert_eq!(world.lists.try_recv().expect("announced").version, 1);
}

#[tokio::test]
async fn the_first_answer_is_waited_for() {
    let mut world = world();
    world.resolver.script("b.test", [Answer::Addresses(vec![ip(3), ip(2)], LONG)]);
    world.resolver.script("c.test", [Answer::Panic, Answer::Addresses(vec![ip(4)], LONG)]);
    let groups = [group("a", [name("b.test", 80), name("b.test", 81), name("gone.test", 80)])];
    let unresolved = world.watch.watch(&groups, PATIENCE).await;
    assert_eq!(unresolved.len(), 1, "{unresolved:?}");
    assert_eq!(
        found(&world.board, "a"),
        [socket(2, 80), socket(3, 80), socket(2, 81), socket(3, 81)]
    );
    let list = world.board.find("a").expect("a list");
    assert!(list.addresses.iter().all(|one| one.weight == 3));
    assert_eq!(&*list.addresses[2].host, "b.test:81");
    assert!(world.watch.counters().failures_total.load(Ordering::Relaxed) >= 1);

    // A resolver that panics is asked again.
    let groups = [group("a", [name("c.test", 80)])];
    world.watch.watch(&groups, PATIENCE).await;
    while world.lists.recv().await.expect("a list").addresses.first().map(|one| &one.address)
        != Some(&socket(4, 80))
    {}
}

#[tokio::test]
async fn names_are_asked_again_when_the_answer_is_over() {
    let mut world = world();
    world.resolver.script(
        "b.test",
        [
            Answer::Addresses(vec![ip(1)], NO_TIME),
            Answer::Addresses(vec![ip(1)], NO_TIME),
            Answer::Fail,
            Answer::Addresses(vec![], NO_TIME),
            Answer::Addresses(vec![ip(1), ip(2)], NO_TIME),
            Answer::Addresses(
                (0..2_000).map(|last| IpAddr::V4(Ipv4Addr::from_bits(last))).collect(),
                NO_TIME,
            ),
            Answer::Addresses(vec![ip(9)], LONG),
        ],
    );
    world.watch.watch(&[group("a", [name("b.test", 80)])], PATIENCE).await;
    let mut counts = Vec::new();
    loop {
        let list = world.lists.recv().await.expect("a list");
        counts.push(list.addresses.len());
        if list.addresses.first().is_some_and(|one| one.address == socket(9, 80)) {
            break;
        }
    }
    // Empty before the first answer; neither a failure nor an empty answer takes anything away.
    assert_eq!(counts, [0, 1, 2, ADDRESSES_PER_NAME_MAX, 1]);
    let counters = world.watch.counters();
    assert_eq!(counters.lookups_total.load(Ordering::Relaxed), 7);
    assert_eq!(counters.failures_total.load(Ordering::Relaxed), 2);
    // 0.0.0.0 among them, which nobody can serve at.
    assert_eq!(counters.dropped_addresses_total.load(Ordering::Relaxed), 2_000 - 256);
}

#[tokio::test]
async fn a_changed_group_starts_from_what_is_known() {
    let mut world = world();
    world.resolver.script("b.test", [Answer::Addresses(vec![ip(1)], LONG), Answer::Hang]);
    world.watch.watch(&[group("a", [name("b.test", 80)])], PATIENCE).await;
    let health = Arc::clone(&world.board.find("a").expect("a list").addresses[0].health);
    let moved = group("a", [TargetAddress::Socket(SocketAddr::new(ip(7), 80)), name("b.test", 80)]);
    let unresolved = world.watch.watch(&[moved], NO_TIME).await;
    assert_eq!(unresolved, []);
    assert_eq!(found(&world.board, "a"), [socket(7, 80), socket(1, 80)]);
    let list = world.board.find("a").expect("a list");
    assert!(Arc::ptr_eq(&health, &list.addresses[1].health), "health survives");
}

#[tokio::test]
async fn an_unchanged_group_is_left_alone() {
    let mut world = world();
    world.resolver.script("b.test", [Answer::Addresses(vec![ip(1)], LONG), Answer::Fail]);
    let groups = [group("a", [name("b.test", 80)])];
    world.watch.watch(&groups, PATIENCE).await;
    world.watch.watch(&groups, PATIENCE).await;
    assert_eq!(world.watch.counters().lookups_total.load(Ordering::Relaxed), 1);
    assert_eq!(world.board.find("a").expect("a list").version, 2, "empty, then resolved");
}

#[tokio::test]
async fn a_group_that_is_gone_is_asked_no_more() {
    let mut world = world();
    world.resolver.script("b.test", [Answer::Addresses(vec![ip(1)], NO_TIME)]);
    world.watch.watch(&[group("a", [name("b.test", 80)])], PATIENCE).await;
    assert_eq!(world.watch.watch::<TargetGroup>(&[], PATIENCE).await, []);
    // Its name is forgotten too: nobody keeps answers that nobody uses.
    world.resolver.script("b.test", [Answer::Hang]);
    let unresolved = world.watch.watch(&[group("a", [name("b.test", 80)])], NO_TIME).await;
    assert_eq!(unresolved.len(), 1);
    // No task is left that could still ask: nobody but the test has the resolver.
    assert_eq!(world.watch.watch::<TargetGroup>(&[], PATIENCE).await, []);
    drop(world.watch);
    assert_eq!(Arc::strong_count(&world.resolver.answers), 1);
}

#[tokio::test]
async fn many_names_are_all_resolved() {
    let mut world = world();
    let hosts: Vec<_> = (0..200).map(|number| format!("host{number}.test")).collect();
    for (number, host) in (0..).zip(&hosts) {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + number));
        world.resolver.script(host, [Answer::Addresses(vec![address], LONG)]);
    }
    let addresses = hosts.iter().map(|host| name(host, 80));
    let unresolved = world.watch.watch(&[group("a", addresses)], PATIENCE).await;
    assert_eq!(unresolved, []);
    assert_eq!(found(&world.board, "a").len(), 200);
}
