//! `kill -9` of a process that writes to the store: what it acknowledged is there, and no change is
//! there by half.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use shardgate::store::{Document, Key, Store, StoreError};

/// Each round goes on with the file that the kill before left.
const KILLS_COUNT: u32 = 200;
/// The documents of one change.
const PARTS: [&str; 3] = ["first", "second", "third"];
const PATH_VARIABLE: &str = "SHARDGATE_TEST_STORE";

#[test]
fn a_killed_writer_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let (mut acknowledged, mut kills_while_writing) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(200);
    for round in 0..KILLS_COUNT {
        assert!(Instant::now() < deadline, "{round} rounds took too long");
        let mut writer = start_writer(&path);
        let wanted = acknowledged + 1 + u64::from(round % 7);
        let mut lines = BufReader::new(writer.stdout.take().expect("piped")).lines();
        let mut last = acknowledged;
        while last < wanted {
            let line = lines.next().expect("the writer goes on").expect("text");
            if let Some(number) = line.strip_prefix("done ") {
                last = number.parse().expect("a number");
            }
        }
        writer.kill().expect("killed");
        let status = writer.wait().expect("ended");
        kills_while_writing += u32::from(status.signal() == Some(9));
        // What it still said before it died counts as acknowledged.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("done ").and_then(|text| text.parse().ok()) {
                last = number;
            }
        }
        acknowledged = check(&path, last);
    }
    assert_eq!(kills_while_writing, KILLS_COUNT, "each writer was killed at its work");
}

/// The number that the store holds, after every part of it was found to be of the same change.
fn check(path: &Path, acknowledged: u64) -> u64 {
    let store = Store::open(path, Box::new(|_| {})).expect("opens after the kill");
    let snapshot = store.snapshot().expect("a snapshot");
    let numbers = PARTS.map(|part| {
        let document = snapshot.get(&Key::new(&["parts", part])).expect("read");
        document.expect("it was written").get("number").and_then(serde_json::Value::as_u64)
    });
    assert!(numbers.iter().all(|number| *number == numbers[0]), "half a change: {numbers:?}");
    let number = numbers[0].expect("a number");
    assert!(number >= acknowledged, "{acknowledged} was acknowledged, {number} is there");
    number
}

fn start_writer(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("the test's own program"))
        .args(["--exact", "the_writer", "--ignored", "--nocapture"])
        .env(PATH_VARIABLE, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started")
}

/// Not a test: what [`a_killed_writer_loses_nothing_acknowledged`] kills.
#[test]
#[ignore = "it is the process that the other test kills"]
fn the_writer() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let store = Store::open(Path::new(&path), Box::new(|_| {})).expect("opened");
    println!();
    for _ in 0..100_000 {
        let number = store.transact(|transaction| {
            let first = transaction.get(&Key::new(&["parts", PARTS[0]]))?;
            let number = first.as_ref().and_then(|first| first["number"].as_u64()).unwrap_or(0) + 1;
            for part in PARTS {
                let text = "x".repeat(usize::try_from(number % 5_000).unwrap_or(0));
                let document = json!({ "number": number, "text": text });
                let document: Document = document.as_object().expect("an object").clone();
                transaction.put(Key::new(&["parts", part]), document);
            }
            Ok::<_, StoreError>(number)
        });
        println!("done {}", number.expect("committed"));
    }
}
