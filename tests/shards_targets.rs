//! New target lists reach a shard whatever else it is told.

#[path = "in_process/mod.rs"]
mod in_process;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use in_process::exchange::{configuration, start_target_at};
use in_process::{OneShard, unix_target};
use shardgate::coord::{Health, HealthChange, Sender, ShardMessage, TargetEndpoint};

/// Nothing that works takes as long, however slow the machine is.
const HANG_GUARD: Duration = Duration::from_secs(30);
const OLD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold";
const NEW: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew";

#[test]
fn a_shard_whose_lane_is_full_misses_no_target_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let [old, new] = targets(folder.path());
    let shard = OneShard::start(folder.path(), &configuration(folder.path()));
    assert_eq!(ask(&shard), "old");
    let (was_full, ends) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (mail, old_path) = (shard.mail().clone(), old.clone());
        let (was_full, ends) = (&was_full, &ends);
        scope.spawn(move || flood(&mail, &old_path, was_full, ends));
        while !was_full.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let _ends = EndsFlood(ends);
        // One after the other: a list that was missed would be waited for in vain.
        for round in 0..10 {
            let (target, name) = if round % 2 == 0 { (&new, "new") } else { (&old, "old") };
            let put = shard.targets().publish("backend", &[unix_target(target)]);
            assert!(put.is_some(), "another list");
            ask_until(&shard, name);
        }
    });
    drop(shard.end());
}

#[test]
fn the_newest_of_several_lists_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let [old, new] = targets(folder.path());
    let shard = OneShard::start(folder.path(), &configuration(folder.path()));
    for target in [&new, &old, &new] {
        let put = shard.targets().publish("backend", &[unix_target(target)]);
        assert!(put.is_some(), "another list");
    }
    ask_until(&shard, "new");
    // It has taken the newest: nothing older comes behind it.
    for _ in 0..100 {
        assert_eq!(ask(&shard), "new");
    }
    drop(shard.end());
}

/// Where the old target is (the one of the configuration) and where the new one.
fn targets(folder: &Path) -> [PathBuf; 2] {
    let paths = ["target.sock", "new.sock"].map(|name| folder.join(name));
    start_target_at(&paths[0], OLD);
    start_target_at(&paths[1], NEW);
    paths
}

/// Ends it however the test ends.
struct EndsFlood<'a>(&'a AtomicBool);

impl Drop for EndsFlood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends more than the lane holds.
fn flood(mail: &Sender<ShardMessage>, target: &Path, was_full: &AtomicBool, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let change = HealthChange {
            group: "backend".into(),
            address: TargetEndpoint::Unix(target.to_owned()),
            before: Health::Unchecked,
            health: Health::Healthy,
        };
        if mail.try_send(ShardMessage::Health(change)).is_err() {
            was_full.store(true, Ordering::Relaxed);
        }
    }
}

/// Asks until the target of this name answers.
fn ask_until(shard: &OneShard, name: &str) {
    let begin = Instant::now();
    while ask(shard) != name {
        assert!(begin.elapsed() < HANG_GUARD, "{name} never answers");
    }
}

/// Which target answers.
fn ask(shard: &OneShard) -> String {
    let mut stream = shard.connect();
    let request = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("to the end");
    answer.rsplit_once("\r\n\r\n").expect("a body").1.to_owned()
}
