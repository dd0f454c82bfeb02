//! Shards with runtimes that are scripted, on both drivers: the test is the host.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{BodyEnd, CallFailure, FunctionAnswer, FunctionEvent, Runtimes, StreamedAnswer};
use crate::base::Nanos;
use crate::base::limits::TICK_MS;
use crate::coord::{
    EndReason, FunctionBoard, FunctionLimits, HostMessage, LocalFunction, Place, Receiver,
    RuntimeConnection, RuntimeProcess, ShardMessage, mailbox,
};
use crate::observe::{Metrics, ProcessInfo, RenderOptions};
use crate::rt::{Deadlines, DriverChoice, RingOptions, now, run, spawn, yield_now};

/// Two shards on one thread, and a host that does what the test says.
struct World {
    metrics: Metrics,
    board: FunctionBoard,
    shards: Vec<Rc<Runtimes>>,
    inboxes: Vec<Receiver<ShardMessage>>,
    host: RefCell<UnboundedReceiver<HostMessage>>,
    deadlines: Deadlines,
    places: RefCell<Vec<Place>>,
    last_process: Cell<u64>,
    ticked: Cell<Nanos>,
}

impl World {
    fn new() -> Rc<Self> {
        let (board, host) = FunctionBoard::new(2);
        board.set_shared_places(10);
        let capacity = NonZeroUsize::new(64).expect("not zero");
        let boxes = (0..2).map(|_| mailbox(capacity).expect("descriptors are free"));
        let (senders, inboxes): (Vec<_>, Vec<_>) = boxes.unzip();
        let metrics = Metrics::new(2);
        let shards = (0..2).map(|shard| {
            let recorder = metrics.shard(shard).expect("two shards").recorder();
            Runtimes::new(shard.into(), senders.clone(), recorder)
        });
        let world = Rc::new(Self {
            shards: shards.collect(),
            metrics,
            board,
            inboxes,
            host: RefCell::new(host),
            deadlines: Deadlines::new(now()),
            places: RefCell::default(),
            last_process: Cell::new(0),
            ticked: Cell::new(now()),
        });
        let pumped = Rc::downgrade(&world);
        spawn(async move {
            while let Some(world) = pumped.upgrade() {
                world.turn();
                drop(world);
                yield_now().await;
            }
        });
        world
    }

    fn turn(&self) {
        let at = now();
        self.deadlines.turn(at);
        for (shard, inbox) in self.shards.iter().zip(&self.inboxes) {
            while let Some(message) = inbox.pop() {
                match message {
                    ShardMessage::Runtime(connection) => shard.connect(*connection),
                    ShardMessage::Lend { function, to } => shard.lend(&function, to),
                    other => panic!("{other:?}"),
                }
            }
        }
        if at.since(self.ticked.get()) >= Nanos::from_millis(TICK_MS) {
            self.ticked.set(at);
            self.shards.iter().for_each(|shard| shard.tick(at));
        }
    }

    fn function(&self, timeout_ms: u64) -> Arc<LocalFunction> {
        let limits = FunctionLimits { timeout_ms, idle_ms: 60_000, reserved_concurrency: None };
        self.board.bind("orders", limits)
    }

    /// How many calls are counted as answered, failed, timed out, throttled and abandoned, and of how
    /// many it is known how long they took.
    fn counted(&self) -> ([u64; 5], u64) {
        let mut text = String::new();
        let (process, options) = (ProcessInfo::default(), RenderOptions::default());
        self.metrics.render_prometheus(&process, options, &mut text);
        let value = |sample: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(sample));
            line.unwrap_or_else(|| panic!("no {sample} in {text}"))
                .trim()
                .parse()
                .expect("a number")
        };
        let outcomes =
            ["answered", "failed", "timed_out", "throttled", "abandoned"].map(|outcome| {
                value(&format!(
                    "shardgate_function_calls_total{{function=\"orders\",outcome=\"{outcome}\"}}"
                ))
            });
        let durations = "shardgate_function_call_duration_seconds_count{function=\"orders\"}";
        (outcomes, value(durations))
    }

    /// Calls the function on a shard.
    async fn call(&self, shard: usize, id: &str) -> Result<FunctionAnswer, CallFailure> {
        self.call_until(shard, id, Nanos::NEVER, false).await
    }

    async fn call_until(
        &self,
        shard: usize,
        id: &str,
        due: Nanos,
        wants_stream: bool,
    ) -> Result<FunctionAnswer, CallFailure> {
        let function = self.shards[shard].function(&self.board.find("orders").expect("bound"));
        let event = FunctionEvent {
            event: b"{\"a\":1}",
            request_id: id,
            function_arn: "arn",
            trace_id: Some(b"Root=1"),
            client_context: None,
            wants_stream,
            due,
        };
        self.shards[shard].call(&self.deadlines, &function, &event).await
    }

    /// What the host is told next.
    async fn told(&self) -> HostMessage {
        loop {
            if let Ok(message) = self.host.borrow_mut().try_recv() {
                return message;
            }
            yield_now().await;
        }
    }

    fn is_told_nothing(&self) -> bool {
        self.host.borrow_mut().try_recv().is_err()
    }

    /// A process is asked for, and started; what its runtime does is up to the test.
    async fn start(&self) -> (Arc<RuntimeProcess>, Peer) {
        match self.told().await {
            HostMessage::Start { function, place, shard } => {
                self.places.borrow_mut().push(place);
                self.last_process.set(self.last_process.get() + 1);
                let id = self.last_process.get();
                let generation = function.generation();
                let process = RuntimeProcess::new(id, function, generation, now(), shard);
                (Arc::clone(&process), self.connect(&process))
            }
            other => panic!("{other:?}"),
        }
    }

    /// The same, and its runtime does as `script` says, on a thread of its own.
    async fn served<T: Send + 'static>(
        &self,
        script: impl FnOnce(Peer) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let (_, peer) = self.start().await;
        thread::spawn(move || script(peer))
    }

    /// A connection of the process' runtime.
    fn connect(&self, process: &Arc<RuntimeProcess>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let theirs = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (ours, _) = listener.accept().expect("accepted");
        let process = Arc::clone(process);
        let shard = process.shard();
        let connection =
            RuntimeConnection { process, fd: ours.into(), unread: Vec::new(), waits: false };
        self.shards[shard].connect(connection);
        Peer { reader: BufReader::new(theirs) }
    }
}

/// A runtime, on a thread of its own.
struct Peer {
    reader: BufReader<TcpStream>,
}

struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Peer {
    fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).expect("sent");
    }

    fn read(&mut self) -> Said {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let count = self.reader.read_line(&mut head).expect("read");
            assert_ne!(count, 0, "it ended after {head:?}");
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        self.reader.read_exact(&mut body).expect("read");
        let status = head[9..12].parse().expect("a status");
        Said { status, head, body: String::from_utf8(body).expect("text") }
    }

    fn ask(&mut self) {
        self.send("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n");
    }

    fn next(&mut self) -> Said {
        self.ask();
        self.read()
    }

    fn post(&mut self, path: &str, body: &str) -> Said {
        let length = body.len();
        self.send(&format!(
            "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        self.read()
    }

    fn answer(&mut self, id: &str, body: &str) {
        assert_eq!(self.post(&format!("invocation/{id}/response"), body).status, 202);
    }

    fn is_closed(&mut self) -> bool {
        !matches!(self.reader.read(&mut [0; 64]), Ok(count) if count > 0)
    }
}

fn each_driver<F: Future<Output = ()>>(test: impl Fn(Rc<World>) -> F) {
    for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
        run(choice, RingOptions { entries: 64 }, |_| async { test(World::new()).await })
            .expect("a driver");
    }
}

async fn joined<T>(thread: JoinHandle<T>) -> T {
    while !thread.is_finished() {
        yield_now().await;
    }
    thread.join().expect("no panic")
}

fn whole(answer: Result<FunctionAnswer, CallFailure>) -> String {
    match answer {
        Ok(FunctionAnswer::Whole(body)) => String::from_utf8(body).expect("text"),
        other => panic!("{other:?}"),
    }
}

fn failed(answer: Result<FunctionAnswer, CallFailure>) -> String {
    match answer {
        Err(CallFailure::Failed(error)) => String::from_utf8(error).expect("text"),
        other => panic!("{other:?}"),
    }
}

/// Runs two futures to their ends.
async fn both<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let (mut one, mut other) = (None, None);
    std::future::poll_fn(|context| {
        use std::task::Poll;
        if one.is_none()
            && let Poll::Ready(value) = first.as_mut().poll(context)
        {
            one = Some(value);
        }
        if other.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(context)
        {
            other = Some(value);
        }
        if one.is_some() && other.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (one.expect("ended"), other.expect("ended"))
}

#[test]
fn a_process_is_started_for_a_call_and_serves_the_next_one_too() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = async {
            let (process, mut peer) = world.start().await;
            let script = thread::spawn(move || {
                for id in ["first", "second"] {
                    let event = peer.next();
                    assert_eq!((event.status, event.body.as_str()), (200, "{\"a\":1}"));
                    let says = |text: &str| assert!(event.head.contains(text), "{}", event.head);
                    says(&format!("Lambda-Runtime-Aws-Request-Id: {id}\r\n"));
                    says("Lambda-Runtime-Trace-Id: Root=1\r\n");
                    says("Lambda-Runtime-Invoked-Function-Arn: arn\r\n");
                    peer.answer(id, "\"done\"");
                }
                peer.ask();
                peer
            });
            (process, script)
        };
        let (first, (process, script)) = both(world.call(0, "first"), served).await;
        assert_eq!(whole(first), "\"done\"");
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        assert_eq!(whole(world.call(0, "second").await), "\"done\"");
        drop(joined(script).await);
        assert!(world.is_told_nothing(), "one process is enough");
        assert_eq!(world.counted(), ([2, 0, 0, 0, 0], 2));
        assert!(process.is_initialised());
    });
}

#[test]
fn a_runtime_may_ask_for_the_next_event_with_its_answer() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = world.served(|mut peer| {
            peer.ask();
            for id in ["first", "second"] {
                let event = peer.read();
                assert!(event.head.contains(&format!("Request-Id: {id}\r\n")));
                peer.send(&format!(
                    "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: a\r\n\
                     Content-Length: 4\r\n\r\ndoneGET /2018-06-01/runtime/invocation/next \
                     HTTP/1.1\r\nHost: a\r\n\r\n"
                ));
                // What it is answered comes with the next event, or before another request.
                if id == "first" {
                    assert_eq!(peer.read().status, 202);
                }
            }
            peer
        });
        let (first, script) = both(world.call(0, "first"), served).await;
        assert_eq!(whole(first), "done");
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        assert_eq!(whole(world.call(0, "second").await), "done");
        drop(joined(script).await);
        assert!(world.is_told_nothing(), "one process is enough");
    });
}

#[test]
fn errors_of_functions_and_of_runtimes_are_told() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = async {
            let (process, mut peer) = world.start().await;
            let script = thread::spawn(move || {
                peer.next();
                let error = "{\"errorMessage\":\"no\",\"errorType\":\"E\"}";
                assert_eq!(peer.post("invocation/a/error", error).status, 202);
                // Once is enough.
                let said = peer.post("invocation/a/response", "1");
                assert_eq!(said.status, 400);
                assert!(said.body.contains("InvalidRequestID"), "{}", said.body);
                assert_eq!(peer.post("invocation/other/response", "1").status, 400);
                assert_eq!(peer.post("elsewhere", "1").status, 404);
                peer.next();
                peer
            });
            (process, script)
        };
        let (first, (process, script)) = both(world.call(0, "a"), served).await;
        assert_eq!(failed(first), "{\"errorMessage\":\"no\",\"errorType\":\"E\"}");
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        let ends = async {
            let _peer = joined(script).await;
            process.ended();
            world.shards[0].ended(&process, &Arc::from("exit status 1"));
            world.places.borrow_mut().clear();
        };
        let (second, ()) = both(world.call(0, "b"), ends).await;
        assert_eq!(
            failed(second),
            "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"exit status 1\"}"
        );
        assert_eq!(world.counted(), ([0, 2, 0, 0, 0], 2));
    });
}

#[test]
fn a_function_that_takes_too_long_is_ended() {
    each_driver(|world| async move {
        world.function(30);
        let served = world.served(|mut peer| {
            peer.next();
            peer
        });
        let (answer, script) = both(world.call(0, "slow"), served).await;
        let error = failed(answer);
        assert!(error.contains("Task timed out after 0.03 seconds"), "{error}");
        assert!(error.contains("RequestId: slow"), "{error}");
        assert_eq!(world.counted(), ([0, 0, 1, 0, 0], 1));
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        match world.told().await {
            HostMessage::End { reason: EndReason::TimedOut, .. } => {}
            other => panic!("{other:?}"),
        }
        drop(joined(script).await);
    });
}

#[test]
fn a_caller_that_gives_up_leaves_the_function_to_its_work() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = world.served(|mut peer| {
            peer.next();
            peer
        });
        let due = now().plus(Nanos::from_millis(50));
        let (answer, script) = both(world.call_until(0, "a", due, false), served).await;
        assert_eq!(answer.expect_err("too late"), CallFailure::TimedOut);
        let mut peer = joined(script).await;
        let script = thread::spawn(move || {
            peer.answer("a", "late");
            let event = peer.next();
            assert!(event.head.contains("Request-Id: b\r\n"));
            peer.answer("b", "on time");
            peer
        });
        assert_eq!(whole(world.call(0, "b").await), "on time");
        drop(joined(script).await);
    });
}

#[test]
fn a_runtime_goes_to_the_shard_where_a_call_waits() {
    each_driver(|world| async move {
        let function = world.function(60_000);
        world.board.set_shared_places(1);
        let served = async {
            let (process, mut peer) = world.start().await;
            let script = thread::spawn(move || {
                for turn in 0..20 {
                    let event = peer.next();
                    let id = event.head.split("Request-Id: ").nth(1).and_then(|id| id.get(..2));
                    let id = id.expect("an id").to_owned();
                    peer.answer(&id, &turn.to_string());
                }
                peer.ask();
                peer
            });
            (process, script)
        };
        // Both shards call at once, and there is one process.
        let calls = |shard: usize| {
            let world = Rc::clone(&world);
            async move {
                let mut answers = Vec::new();
                for turn in 0..10 {
                    let id = format!("{shard}{turn}");
                    answers.push(whole(world.call(shard, &id).await));
                }
                answers
            }
        };
        let (answers, (process, script)) = both(both(calls(0), calls(1)), served).await;
        let mut all: Vec<u32> = answers
            .0
            .iter()
            .chain(&answers.1)
            .map(|text| text.parse().expect("a number"))
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..20), "each call has its own answer");
        drop(joined(script).await);
        assert!(process.shard() < 2 && function.take_place().is_none());
    });
}

#[test]
fn an_idle_runtime_is_lent_before_another_is_started() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = async {
            let (process, mut peer) = world.start().await;
            let script = thread::spawn(move || {
                peer.next();
                peer.answer("a", "1");
                peer.next();
                peer.answer("b", "2");
                peer
            });
            (process, script)
        };
        let (first, (process, script)) = both(world.call(0, "a"), served).await;
        assert_eq!(whole(first), "1");
        while world.shards[0].function(&process.function).idle_count() == 0 {
            yield_now().await;
        }
        assert_eq!(whole(world.call(1, "b").await), "2");
        assert_eq!(process.shard(), 1);
        drop(joined(script).await);
    });
}

#[test]
fn another_connection_of_a_process_follows_it() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = async {
            let (process, mut peer) = world.start().await;
            let other = world.connect(&process);
            let script = thread::spawn(move || {
                peer.next();
                (peer, other)
            });
            (process, joined(script).await)
        };
        let answered = async {
            let (process, (peer, mut other)) = served.await;
            // The answer comes on the other connection, and so does the next request.
            let script = thread::spawn(move || {
                other.answer("a", "1");
                let event = other.next();
                assert!(event.head.contains("Request-Id: b\r\n"));
                (peer, other)
            });
            (process, script)
        };
        let (first, (process, script)) = both(world.call(0, "a"), answered).await;
        assert_eq!(whole(first), "1");
        while world.shards[0].function(&process.function).idle_count() == 0 {
            yield_now().await;
        }
        // It moves with the connection that waits; the answer comes on the one that stayed behind.
        let answered = async {
            let (mut peer, other) = joined(script).await;
            joined(thread::spawn(move || {
                peer.answer("b", "2");
                (peer, other)
            }))
            .await
        };
        let (second, _peers) = both(world.call(1, "b"), answered).await;
        assert_eq!(whole(second), "2");
        assert_eq!(process.shard(), 1);
    });
}

#[test]
fn what_is_no_runtime_is_ended() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = world.served(|mut peer| {
            peer.next();
            peer.send("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nbroken\r\n\r\n");
            assert_eq!(peer.read().status, 400);
            assert!(peer.is_closed());
        });
        let (answer, script) = both(world.call(0, "a"), served).await;
        assert!(failed(answer).contains("does not speak the Runtime API"));
        joined(script).await;
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        match world.told().await {
            HostMessage::End { reason: EndReason::Protocol(_), .. } => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_answer_that_is_too_long_is_refused_and_the_next_call_works() {
    each_driver(|world| async move {
        world.function(60_000);
        let served = world.served(|mut peer| {
            peer.next();
            let long = "x".repeat(20 * 1024 * 1024);
            let said = peer.post("invocation/a/response", &long);
            assert_eq!(said.status, 413);
            peer.next();
            peer.answer("b", "short");
            peer
        });
        let (answer, script) = both(world.call(0, "a"), served).await;
        let error = failed(answer);
        assert!(error.contains("Function.ResponseSizeTooLarge"), "{error}");
        assert_eq!(whole(world.call(0, "b").await), "short");
        drop(joined(script).await);
    });
}

const STREAM_HEAD: &str = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: a\r\n\
    Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Calls for a stream; the runtime begins one with `start`.
async fn streamed(world: &World, start: &'static str) -> (StreamedAnswer, Peer) {
    world.function(60_000);
    let served = async {
        let (_, mut peer) = world.start().await;
        joined(thread::spawn(move || {
            peer.next();
            peer.send(STREAM_HEAD);
            peer.send(start);
            peer
        }))
        .await
    };
    match both(world.call_until(0, "a", Nanos::NEVER, true), served).await {
        (Ok(FunctionAnswer::Streamed(body)), peer) => (body, peer),
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_read_while_it_comes() {
    each_driver(|world| async move {
        let (mut body, mut peer) = streamed(&world, "3\r\none\r\n").await;
        let mut piece = Vec::new();
        assert!(body.next(&mut piece).await);
        assert_eq!(piece, b"one");
        peer.send("3\r\ntwo\r\n0\r\nLambda-Runtime-Function-Error-Type: E\r\n\r\n");
        assert!(body.next(&mut piece).await);
        assert_eq!(piece, b"onetwo");
        assert!(!body.next(&mut piece).await);
        let failed = BodyEnd::FunctionFailed { error_type: "E".to_owned(), error: Vec::new() };
        assert_eq!(body.end(), failed);
        drop(body);
        let script = thread::spawn(move || {
            assert_eq!(peer.read().status, 202);
            peer.next();
            peer.answer("b", "again");
            peer
        });
        assert_eq!(whole(world.call(0, "b").await), "again");
        drop(joined(script).await);
    });
}

#[test]
fn a_stream_that_nobody_wants_any_more_is_read_to_its_end() {
    each_driver(|world| async move {
        let (body, mut peer) = streamed(&world, "3\r\none\r\n").await;
        drop(body);
        let script = thread::spawn(move || {
            peer.send("3\r\ntwo\r\n0\r\n\r\n");
            assert_eq!(peer.read().status, 202);
            peer.next();
            peer.answer("b", "again");
            peer
        });
        assert_eq!(whole(world.call(0, "b").await), "again");
        drop(joined(script).await);
    });
}

#[test]
fn a_stream_that_breaks_off_is_broken() {
    each_driver(|world| async move {
        let (mut body, peer) = streamed(&world, "3\r\none\r\n").await;
        let mut piece = Vec::new();
        assert!(body.next(&mut piece).await);
        drop(peer);
        assert!(!body.next(&mut piece).await);
        assert_eq!(body.end(), BodyEnd::Broken);
    });
}

#[test]
fn a_changed_function_gets_new_processes() {
    each_driver(|world| async move {
        let function = world.function(60_000);
        let served = world.served(|mut peer| {
            peer.next();
            peer.answer("a", "old");
            peer.ask();
            peer
        });
        let (first, script) = both(world.call(0, "a"), served).await;
        assert_eq!(whole(first), "old");
        let _old = joined(script).await;
        assert!(matches!(world.told().await, HostMessage::Initialised { .. }));
        while world.shards[0].function(&function).idle_count() == 0 {
            yield_now().await;
        }
        function.change();
        let served = async {
            match world.told().await {
                HostMessage::End { reason: EndReason::Stale, .. } => {}
                other => panic!("{other:?}"),
            }
            let (_, mut peer) = world.start().await;
            thread::spawn(move || {
                peer.next();
                peer.answer("b", "new");
                peer
            })
        };
        let (second, script) = both(world.call(0, "b"), served).await;
        assert_eq!(whole(second), "new");
        drop(joined(script).await);
    });
}

#[test]
fn calls_beyond_what_may_run_are_refused_or_wait() {
    each_driver(|world| async move {
        let function = world.function(60_000);
        world.board.set_shared_places(0);
        assert_eq!(world.call(0, "a").await.expect_err("barred"), CallFailure::Throttled);
        world.board.set_shared_places(1);
        let held = function.take_place();
        let due = now().plus(Nanos::from_millis(30));
        let waited = world.call_until(0, "a", due, false).await;
        assert_eq!(waited.expect_err("nothing came free"), CallFailure::TimedOut);
        {
            let mut given_up = Box::pin(world.call(1, "b"));
            let polled = std::future::poll_fn(|context| {
                std::task::Poll::Ready(given_up.as_mut().poll(context).is_pending())
            });
            assert!(polled.await);
        }
        assert_eq!(world.counted(), ([0, 0, 1, 1, 1], 1), "of both shards");
        drop(held);
        assert!(world.is_told_nothing());
    });
}

#[test]
fn a_start_that_fails_fails_the_call_that_it_was_for() {
    each_driver(|world| async move {
        world.function(60_000);
        let fails = async {
            match world.told().await {
                HostMessage::Start { function, place, shard } => {
                    drop(place);
                    world.shards[shard].start_failed(&function, &Arc::from("no such program"));
                }
                other => panic!("{other:?}"),
            }
        };
        let (answer, ()) = both(world.call(0, "a"), fails).await;
        assert!(failed(answer).contains("no such program"));
    });
}
