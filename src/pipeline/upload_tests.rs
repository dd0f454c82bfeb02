//! The moment in which an answer is complete, the rest of the body is to be thrown away, and the
//! write to the target that was under way fails.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;

use socket2::SockRef;

use super::upload::{BodyLeft, BodySink, BodySource, UploadState, UploadTask};
use super::{PlanSources, ShardPlan, ShardState};
use crate::base::{Fault, Nanos};
use crate::coord::{FunctionBoard, TargetBoard, TokenPools};
use crate::model::Model;
use crate::observe::Metrics;
use crate::plan;
use crate::rt::{DriverChoice, RingOptions, Stream, now, run};
use crate::runtime::Runtimes;

/// More than a target that does not read takes, and less than a buffer for bodies holds: it is one
/// read and more than one write.
const BODY_BYTES: usize = 60_000;
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n";

/// What became of an upload whose write failed while the rest was to be thrown away.
#[derive(Debug, Eq, PartialEq)]
struct End {
    state: UploadState,
    /// What the client had sent by then and nobody has read.
    unread: Vec<u8>,
}

#[test]
fn a_body_that_ended_while_it_was_being_thrown_away_is_not_read_on() {
    let length = (|| BodyLeft::Length(BODY_BYTES as u64), vec![b'x'; BODY_BYTES]);
    let chunks = [b"ea60\r\n", &vec![b'x'; BODY_BYTES][..], b"\r\n0\r\n\r\n"].concat();
    let chunked: (fn() -> BodyLeft, _) =
        (|| BodyLeft::Chunked { decoder: Box::default(), left_max: BODY_BYTES as u64 }, chunks);
    for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
        for (left, body) in [(length.0 as fn() -> BodyLeft, &length.1), (chunked.0, &chunked.1)] {
            let end = play(choice, left, body);
            // What follows belongs to nobody here, and a read of what is not to come never ends.
            assert_eq!(end, End { state: UploadState::Refused, unread: NEXT.to_vec() });
        }
    }
}

#[test]
fn a_body_that_goes_on_is_thrown_away_to_the_end() {
    let left = || BodyLeft::Length(1_000_000);
    for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
        let end = play(choice, left, &vec![b'x'; BODY_BYTES]);
        let state = UploadState::Failed(Fault::ClientGone);
        assert_eq!(end, End { state, unread: Vec::new() });
    }
}

/// Uploads `body` to a target that takes a part of it. Then the client sends [`NEXT`] and ends its
/// sending side, and the answer is complete: the connection to the target is shut down, and the
/// rest is to be thrown away.
fn play(choice: DriverChoice, left: fn() -> BodyLeft, body: &[u8]) -> End {
    let (client, mut client_end) = UnixStream::pair().expect("a pair");
    let (target, target_end) = UnixStream::pair().expect("a pair");
    client_end.write_all(body).expect("the socket holds it");
    SockRef::from(&target).set_send_buffer_size(4_096).expect("a socket");
    let end = run(choice, RingOptions { entries: 64 }, move |_| async move {
        let [client, target, target_end] = [client, target, target_end].map(stream);
        let state = shard_state();
        let target_deadline = state.deadlines.watch(target.raw_fd());
        let as_chunks = matches!(left(), BodyLeft::Chunked { .. });
        let task = UploadTask {
            source: BodySource::Http1 { client: client.clone().into(), left: left() },
            client_deadline: state.deadlines.watch(client.raw_fd()),
            body_timeout: Nanos::from_millis(60_000),
            sink: Rc::new(BodySink::Http1 { target: target.clone().into(), as_chunks }),
            target_deadline: target_deadline.mover(),
            target_timeout: Nanos::from_millis(60_000),
            target_due_max: Nanos::NEVER,
            state,
        };
        let upload = task.start();
        // A part has come, so the last write that there will be is under way.
        target_end.readable().await.expect("a part of it");
        client_end.write_all(NEXT).expect("sent");
        client_end.shutdown(Shutdown::Write).expect("a socket");
        target.shutdown_both();
        upload.discard().await;
        let (read, unread) = client.read_append(Vec::with_capacity(1_024)).await;
        read.expect("bytes or the end of file");
        End { state: upload.state(), unread }
    });
    end.expect("a driver")
}

fn stream(socket: UnixStream) -> Stream {
    socket.set_nonblocking(true).expect("a socket");
    Stream::from_std_unix(socket).expect("taken over")
}

/// A shard of an empty plan.
fn shard_state() -> Rc<ShardState> {
    let plan = Arc::new(plan::compile(&Model::default(), 1).expect("an empty plan"));
    let mut metrics = Metrics::new(1);
    metrics.prepare(&plan);
    let recorder = metrics.shard(0).expect("one shard").recorder();
    let (pools, targets) = (TokenPools::new(), TargetBoard::new());
    let (functions, runtimes) =
        (FunctionBoard::default(), Runtimes::new(0, Vec::new(), recorder.clone()));
    let sources = PlanSources {
        recorder: &recorder,
        pools: &pools,
        targets: &targets,
        functions: &functions,
        runtimes: &runtimes,
        shards_count: 1,
        now: now(),
        seed: 1,
    };
    let plan = ShardPlan::new(plan, None, &sources);
    Rc::new(ShardState::new(0, recorder, plan, Arc::default(), [1, 2], 16, now()))
}
