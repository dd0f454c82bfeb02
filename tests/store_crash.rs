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

/// A limit on the size of files stands for a full disk: both make a write fail.
#[test]
fn a_full_disk_refuses_changes_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let program = std::env::current_exe().expect("the test's own program");
    // The limit's signal is ignored, so that the write fails instead; blocks are of 512 bytes.
    let script =
        "trap '' XFSZ; ulimit -f 16384; exec \"$0\" --exact the_filler --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .env(PATH_VARIABLE, &path)
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let last = said.lines().filter_map(|line| line.strip_prefix("done ")?.parse().ok()).max();
    check(&path, last.expect("something was written before the disk was full"));
}

/// Not a test: what [`a_full_disk_refuses_changes_and_loses_nothing`] runs under a limit.
#[test]
#[ignore = "it is the process that the other test runs"]
fn the_filler() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else { return };
    let store = Store::open(Path::new(&path), Box::new(|_| {})).expect("opened");
    println!();
    let write = |number: u64| {
        store.transact(|transaction| {
            for part in PARTS {
                let text = "x".repeat(100_000);
                let document = json!({ "number": number, "text": text });
                let document: Document = document.as_object().expect("an object").clone();
                transaction.put(Key::new(&["parts", part]), document.clone());
                transaction.put(Key::new(&["parts", part, &number.to_string()]), document);
            }
            Ok::<_, StoreError>(())
        })
    };
    let mut number = 0;
    let refusal = loop {
        number += 1;
        match write(number) {
            Ok(()) => println!("done {number}"),
            Err(error) => break error,
        }
        assert!(number < 10_000, "the disk is never full");
    };
    assert!(matches!(refusal, StoreError::Storage { doing: "written", .. }), "{refusal}");
    // What was acknowledged is read as before, and a change that needs no room goes through.
    let snapshot = store.snapshot().expect("it can be read");
    let first = snapshot.get(&Key::new(&["parts", PARTS[0]])).expect("read").expect("it is there");
    assert_eq!(first["number"].as_u64(), Some(number - 1));
    drop(snapshot);
    let removed = store.transact(|transaction| {
        for number in 1..number {
            for part in PARTS {
                transaction.remove(&Key::new(&["parts", part, &number.to_string()]))?;
            }
        }
        Ok::<_, StoreError>(())
    });
    removed.expect("room is made");
    write(number).expect("and used");
    println!("done {number}");
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
