//! A panic inside a request, against a real shard: the client gets a 500, everyone else goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::{ShardOptions, ShardParts, Shared, start};
use crate::base::Nanos;
use crate::coord::{
    ConnectionBoard, DrainedListeners, Sender, ShardGear, ShardMessage, TargetBoard, TokenPools,
    UpstreamBoard, mailbox,
};
use crate::model::{
    AccessLog as LogSettings, Forwarding, Limits, Listener, ListenerAddress, ProxyProtocol,
};
use crate::observe::access_log::AccessLog;
use crate::observe::{Metrics, ProcessInfo, RenderOptions};
use crate::plan::Plan;
use crate::rt::{DriverChoice, ListenerSocket, RingOptions, now};

struct OneShard {
    metrics: Metrics,
    mail: Sender<ShardMessage>,
    thread: JoinHandle<std::io::Result<()>>,
    path: PathBuf,
    log: AccessLog,
    folder: tempfile::TempDir,
}

impl OneShard {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shard.sock");
        let listener = Listener {
            name: "public".to_owned(),
            address: ListenerAddress::Unix(path.clone()),
            dual_stack: false,
            reuse_port: false,
            backlog: 16,
            proxy_protocol: ProxyProtocol::Off,
            http2_prior_knowledge: true,
            trusted_proxies: Vec::new(),
            is_private: false,
            private_networks: Vec::new(),
        };
        let plan = Arc::new(Plan {
            epoch: 1,
            listeners: vec![listener],
            addresses: None,
            hosts: Arc::default(),
            canaries: Vec::new(),
            stages: Vec::new(),
            groups: Vec::new(),
            limits: Limits::default(),
            forwarding: Forwarding::default(),
            access_log: Some(LogSettings {
                path: folder.path().join("log").display().to_string(),
                format: "$context.status $context.shardgate.cause $context.requestId".to_owned(),
            }),
            account_throttle: None,
            tls: crate::plan::TlsPlan::default(),
        });
        let mut metrics = Metrics::new(1);
        metrics.prepare(&plan);
        let (mail, inbox) = mailbox(NonZeroUsize::MIN).expect("a mailbox");
        let shared = Shared {
            pools: TokenPools::new(),
            targets: Arc::new(TargetBoard::new()),
            upstreams: UpstreamBoard::new(1),
            challenges: Arc::default(),
            functions: Arc::default(),
            connections: ConnectionBoard::new(1),
            mailboxes: vec![mail.clone()],
        };
        let options = ShardOptions {
            index: 0,
            core: None,
            driver: DriverChoice::Epoll,
            ring: RingOptions { entries: 64 },
            buffers_spare_count: 16,
            connections_max: None,
            listeners: None,
            rebalances: false,
        };
        let log = AccessLog::open(folder.path().join("log")).expect("a file");
        let socket = UnixListener::bind(&path).expect("bound");
        let gear = ShardGear {
            sockets: vec![("public".to_owned(), ListenerSocket::Unix(socket))],
            access_log: Some(log.shard_sink()),
        };
        let counters = metrics.shard(0).expect("one shard");
        let parts = ShardParts { mail: inbox, metrics: counters, plan, gear };
        let thread = start(options, Arc::new(shared), parts).expect("started");
        Self { metrics, mail, thread, path, log, folder }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).expect("connected")
    }

    /// Everything that comes back for `requests` on a connection of their own.
    fn answers(&self, requests: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(requests.as_bytes()).expect("sent");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("to the end");
        answers
    }

    /// The values of series once the shard has ended, and the lines of its log without the ids.
    fn end(self, series: &[&str]) -> (Vec<String>, Vec<String>) {
        let deadline = now().plus(Nanos::from_millis(60_000));
        let drain = ShardMessage::Drain { deadline, listeners: DrainedListeners::Close };
        self.mail.try_send_control(drain).expect("it lives");
        self.thread.join().expect("no panic").expect("no error");
        let mut text = String::new();
        let options = RenderOptions { with_routes: false };
        self.metrics.render_prometheus(&ProcessInfo::default(), options, &mut text);
        let value = |series: &&str| {
            let line = text.lines().find_map(|line| line.strip_prefix(series));
            line.unwrap_or_else(|| panic!("no {series} in {text}")).trim().to_owned()
        };
        let values = series.iter().map(value).collect();
        self.log.close();
        let lines = fs::read_to_string(self.folder.path().join("log")).expect("text");
        let without_id = |line: &str| line.rsplit_once(' ').expect("an id").0.to_owned();
        (values, lines.lines().map(without_id).collect())
    }
}

const NOT_FOUND: &str = "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n";
const PANICS: &str = "GET /panics HTTP/1.1\r\nhost: a\r\n\r\n";
const LAST: &str = "GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

fn statuses(answers: &str) -> Vec<&str> {
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads.filter_map(|head| head.split(' ').next()).collect()
}

#[test]
fn a_panic_answers_500_and_leaves_the_shard_serving() {
    let shard = OneShard::start();
    let ordinary = statuses(&shard.answers(LAST)).join(" ");
    let mut bystander = shard.connect();
    bystander.write_all(&NOT_FOUND.as_bytes()[..20]).expect("half a head");
    for _ in 0..3 {
        let answers = shard.answers(PANICS);
        assert_eq!(statuses(&answers), ["500"], "{answers}");
        assert!(answers.contains("connection: close"), "{answers}");
    }
    bystander.write_all(&LAST.as_bytes()[20..]).expect("the other half");
    let mut answer = String::new();
    bystander.read_to_string(&mut answer).expect("to the end");
    assert_eq!(statuses(&answer).join(" "), ordinary, "{answer}");
    let series = [
        "shardgate_panics_total",
        "shardgate_connections{shard=\"0\"}",
        "shardgate_buffers{shard=\"0\",kind=\"head\",state=\"taken\"}",
    ];
    let (values, lines) = shard.end(&series);
    assert_eq!(values, ["3", "0", "0"]);
    let panicked = lines.iter().filter(|line| *line == "500 panicked").count();
    assert_eq!((lines.len(), panicked), (5, 3), "{lines:?}");
}

#[test]
fn answers_that_waited_before_a_panic_are_sent_in_order() {
    let shard = OneShard::start();
    let ordinary = statuses(&shard.answers(LAST)).join(" ");
    let answers = shard.answers(&[NOT_FOUND, NOT_FOUND, PANICS, NOT_FOUND].concat());
    assert_eq!(statuses(&answers), [ordinary.as_str(), ordinary.as_str(), "500"], "{answers}");
    let (values, lines) = shard.end(&["shardgate_panics_total"]);
    assert_eq!(values, ["1"]);
    assert_eq!(lines[3], "500 panicked");
    assert_eq!(lines.len(), 4, "the last request was never read: {lines:?}");
}
