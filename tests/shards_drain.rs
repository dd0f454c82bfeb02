//! What the end of a drain counts: connections that its deadline cuts off, and no others.

#[path = "in_process/mod.rs"]
mod in_process;

use std::io::Read as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use in_process::exchange::{configuration, exchange};
use in_process::{Counted, OneShard};

const MOCK: &[u8] = b"GET /mock HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn connections_that_the_deadline_cuts_off_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    // Connects, and never answers.
    let _target = UnixListener::bind(folder.path().join("target.sock")).expect("bound");
    let shard = OneShard::start(folder.path(), &configuration(folder.path()));
    let mut idle = idle_connection(&shard);
    let mut busy = shard.connect();
    std::io::Write::write_all(&mut busy, b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    let _silent = shard.connect();
    wait_for(&shard, "shardgate_upstream_requests_outstanding{group=\"backend\"}", 1);
    wait_for(&shard, "shardgate_connections{shard=\"0\"}", 3);

    let counted = shard.end_within(200);
    assert_eq!(idle.read(&mut [0; 1]).expect("closed in order"), 0);
    assert_eq!(fired(&counted, "drain"), 2, "the busy one and the one that had not asked yet");
    assert_no_other(&counted);
}

#[test]
fn idle_connections_that_a_drain_closes_are_no_errors() {
    for deadline_ms in [0, 600_000] {
        let folder = tempfile::tempdir().expect("a folder");
        let shard = OneShard::start(folder.path(), &configuration(folder.path()));
        let idle: Vec<_> = (0..20).map(|_| idle_connection(&shard)).collect();
        let counted = shard.end_within(deadline_ms);
        for mut stream in idle {
            assert_eq!(stream.read(&mut [0; 1]).expect("closed in order"), 0);
        }
        assert_eq!(fired(&counted, "drain"), 0, "with {deadline_ms} ms");
        assert_eq!(counted.value("shardgate_connections{shard=\"0\"}"), 0);
        assert_no_other(&counted);
    }
}

/// A connection that has had an answer and asks nothing more.
fn idle_connection(shard: &OneShard) -> UnixStream {
    let mut stream = shard.connect();
    exchange(&mut stream, MOCK, b"mocked");
    stream
}

fn wait_for(shard: &OneShard, series: &str, value: u64) {
    while shard.metrics().value(series) != value {
        thread::yield_now();
    }
}

fn fired(counted: &Counted, kind: &str) -> u64 {
    counted.value(&format!("shardgate_deadlines_fired_total{{kind=\"{kind}\"}}"))
}

/// Nothing else is told of the end of the drain.
fn assert_no_other(counted: &Counted) {
    let others = counted.sum("shardgate_deadlines_fired_total") - fired(counted, "drain");
    assert_eq!((others, counted.sum("shardgate_errors_total")), (0, 0));
}
