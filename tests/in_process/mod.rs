//! One shard of the gateway inside the test's own process, on a unix socket, so that a test can
//! look at its counters, count its allocations and run it hundreds of times. Shared by tests and
//! benches; nothing here knows HTTP.

#![allow(dead_code, unreachable_pub)] // each binary uses its own part

pub mod counting;
pub mod event_request;
pub mod exchange;

use std::env;
use std::num::NonZeroUsize;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use shardgate::base::Nanos;
use shardgate::coord::{
    AcmeChallenges, ConnectionBoard, DrainedListeners, Sender, ShardGear, ShardMessage,
    TargetBoard, TargetEndpoint, TargetRecord, TokenPools, UpstreamBoard, mailbox,
};
use shardgate::model::TargetAddress;
use shardgate::observe::{Metrics, ProcessInfo, RenderOptions};
use shardgate::rt::{DriverChoice, ListenerSocket, RingOptions, now};
use shardgate::shard::{self, ShardOptions, ShardParts, Shared};
use shardgate::{plan, settings};

/// A shard that serves. Ended by [`OneShard::end`].
pub struct OneShard {
    metrics: Metrics,
    mail: Sender<ShardMessage>,
    thread: JoinHandle<std::io::Result<()>>,
    socket: PathBuf,
    targets: Arc<TargetBoard>,
    challenges: Arc<AcmeChallenges>,
}

impl OneShard {
    /// Starts a shard with a listener at `folder/shard.sock` and the tables of `configuration`
    /// (upstreams with unix targets, APIs, limits). The environment variable
    /// `SHARDGATE_TEST_DRIVER` chooses the driver.
    pub fn start(folder: &Path, configuration: &str) -> Self {
        let socket = folder.join("shard.sock");
        let listener =
            format!("[[listener]]\nname = \"own\"\naddress = \"unix:{}\"\n", socket.display());
        let text = listener + configuration;
        let settings = settings::parse("test.toml", &text);
        let settings = settings.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let plan = Arc::new(plan::compile(&settings.model, 1).expect("a plan"));
        let mut metrics = Metrics::new(1);
        metrics.prepare(&plan);
        let targets = Arc::new(TargetBoard::new());
        for group in &plan.groups {
            let records = group.targets.iter().enumerate().map(|(target_index, target)| {
                let TargetAddress::Unix(path) = &target.address else {
                    panic!("only unix targets")
                };
                let record = unix_target(path);
                TargetRecord { weight: target.weight, target_index, ..record }
            });
            let records: Vec<_> = records.collect();
            assert!(targets.publish(&group.name, &records).is_some(), "a new group");
        }
        let challenges = Arc::new(AcmeChallenges::new());
        let (mail, inbox) = mailbox(NonZeroUsize::MIN).expect("a mailbox");
        let shared = Shared {
            pools: TokenPools::new(),
            targets: Arc::clone(&targets),
            upstreams: UpstreamBoard::new(1),
            functions: Arc::default(),
            challenges: Arc::clone(&challenges),
            connections: ConnectionBoard::new(1),
            mailboxes: vec![mail.clone()],
        };
        let options = ShardOptions {
            index: 0,
            core: None,
            driver: driver(),
            ring: RingOptions { entries: 1_024 },
            buffers_spare_count: 64,
            connections_max: None,
            listeners: None,
            rebalances: false,
        };
        let bound = UnixListener::bind(&socket).expect("bound");
        let sockets = vec![("own".to_owned(), ListenerSocket::Unix(bound))];
        let gear = ShardGear { sockets, access_log: None };
        let counters = metrics.shard(0).expect("one shard");
        let parts = ShardParts { mail: inbox, metrics: counters, plan, gear };
        let thread = shard::start(options, Arc::new(shared), parts).expect("started");
        Self { metrics, mail, thread, socket, targets, challenges }
    }

    /// A connection to it.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).expect("connected")
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where its targets are told.
    pub fn targets(&self) -> &TargetBoard {
        &self.targets
    }

    /// What it answers to authorities that validate names.
    pub fn challenges(&self) -> &AcmeChallenges {
        &self.challenges
    }

    /// Its mailbox, whose bulk lane holds a single message.
    pub fn mail(&self) -> &Sender<ShardMessage> {
        &self.mail
    }

    /// What it counted, in Prometheus' form.
    pub fn metrics(&self) -> Counted {
        let mut text = String::new();
        let options = RenderOptions { with_routes: false };
        self.metrics.render_prometheus(&ProcessInfo::default(), options, &mut text);
        Counted(text)
    }

    /// Drains it to its end, without a deadline that a slow machine could reach, and says what it
    /// counted to the last.
    pub fn end(self) -> Counted {
        self.end_within(600_000)
    }

    /// Drains it, with a deadline in so many milliseconds, and says what it counted to the last.
    pub fn end_within(self, deadline_ms: u64) -> Counted {
        let deadline = now().plus(Nanos::from_millis(deadline_ms));
        let drain = ShardMessage::Drain { deadline, listeners: DrainedListeners::Close };
        self.mail.try_send_control(drain).expect("it lives");
        let Self { metrics, thread, .. } = self;
        thread.join().expect("no panic").expect("no error");
        let mut text = String::new();
        let options = RenderOptions { with_routes: false };
        metrics.render_prometheus(&ProcessInfo::default(), options, &mut text);
        Counted(text)
    }
}

/// A target on a unix socket.
pub fn unix_target(path: &Path) -> TargetRecord {
    TargetRecord {
        address: TargetEndpoint::Unix(path.to_owned()),
        weight: 1,
        target_index: 0,
        host: Arc::from("localhost"),
    }
}

/// The driver that the environment asks for.
pub fn driver() -> DriverChoice {
    match env::var("SHARDGATE_TEST_DRIVER").as_deref() {
        Ok("epoll") => DriverChoice::Epoll,
        Ok("io_uring") => DriverChoice::IoUring,
        _ => DriverChoice::Auto,
    }
}

/// Metrics as text.
pub struct Counted(String);

impl Counted {
    /// The value of the series that is written so, or panics with all there are.
    pub fn value(&self, series: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = line.and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in\n{}", self.0))
    }

    /// The values of all series of a family, together.
    pub fn sum(&self, family: &str) -> u64 {
        let samples = self.0.lines().filter(|line| line.split('{').next() == Some(family));
        let value = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
        samples.map(|line| value(line).expect("a number")).sum()
    }
}
