//! What the store promises, on files and in memory.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::database::open_file;
use super::schema::DOCUMENTS;
use super::*;

fn store() -> Store {
    Store::in_memory(Box::new(|_| {})).expect("a store in memory")
}

fn document(value: serde_json::Value) -> Document {
    value.as_object().expect("an object").clone()
}

fn put(store: &Store, key: &Key, value: serde_json::Value) {
    let written = store.transact(|transaction| {
        transaction.put(key.clone(), document(value.clone()));
        Ok::<_, StoreError>(())
    });
    written.expect("written");
}

fn get(store: &Store, key: &Key) -> Option<Document> {
    store.snapshot().expect("a snapshot").get(key).expect("read")
}

#[test]
fn what_was_acknowledged_is_there_after_a_new_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let key = Key::new(&["us-east-1", "restapis", "a"]);
    let open = || Store::open(&path, Box::new(|_| {})).expect("opened");
    put(&open(), &key, json!({"name": "one"}));
    assert_eq!(get(&open(), &key), Some(document(json!({"name": "one"}))));
}

#[test]
fn two_processes_do_not_share_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let _first = Store::open(&path, Box::new(|_| {})).expect("opened");
    let error = Store::open(&path, Box::new(|_| {})).expect_err("in use");
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
}

#[test]
fn an_error_changes_nothing() {
    let store = store();
    let key = Key::new(&["a"]);
    let result = store.transact(|transaction| {
        transaction.put(key.clone(), Document::new());
        Err::<(), _>(StoreError::Closed)
    });
    assert!(matches!(result, Err(StoreError::Closed)));
    assert_eq!(get(&store, &key), None);
}

#[test]
fn concurrent_writers_lose_no_update() {
    let store = store();
    let key = Key::new(&["counter"]);
    let (threads_count, rounds_count) = (8, 50);
    std::thread::scope(|scope| {
        for _ in 0..threads_count {
            scope.spawn(|| {
                for _ in 0..rounds_count {
                    let add = store.transact(|transaction| {
                        let mut counter = transaction.get(&key)?.unwrap_or_default();
                        let count = counter.get("n").and_then(serde_json::Value::as_u64);
                        counter.insert("n".into(), json!(count.unwrap_or(0) + 1));
                        transaction.put(key.clone(), counter);
                        Ok::<_, StoreError>(())
                    });
                    add.expect("committed");
                }
            });
        }
    });
    let counter = get(&store, &key).expect("a counter");
    assert_eq!(counter["n"], json!(threads_count * rounds_count));
}

#[test]
fn what_appears_where_a_transaction_looked_is_a_conflict() {
    let store = store();
    let parent = Key::new(&["names"]);
    let mut runs = 0;
    let counted = store.transact(|transaction| {
        runs += 1;
        let count = transaction.all_children(&parent)?.len();
        if runs == 1 {
            put(&store, &parent.child("intruder"), json!({}));
        }
        transaction.put(Key::new(&["count"]), document(json!({ "n": count })));
        Ok::<_, StoreError>(count)
    });
    assert_eq!((counted.expect("committed"), runs), (1, 2));
}

#[test]
fn a_transaction_sees_its_own_writes() {
    let store = store();
    let parent = Key::new(&["p"]);
    for id in ["a", "b", "d"] {
        put(&store, &parent.child(id), json!({}));
    }
    put(&store, &parent.child("b").child("below"), json!({}));
    let seen = store.transact(|transaction| {
        transaction.remove(&parent.child("b"))?;
        transaction.put(parent.child("c"), Document::new());
        let below = transaction.get(&parent.child("b").child("below"))?;
        let ids = |children: Vec<(String, Document)>| {
            children.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        let all = ids(transaction.all_children(&parent)?);
        let page = ids(transaction.children(&parent, Some("a"), 1)?);
        Ok::<_, StoreError>((below, all, page))
    });
    let (below, all, page) = seen.expect("committed");
    assert_eq!(below, None);
    assert_eq!(all, ["a", "c", "d"]);
    assert_eq!(page, ["c"]);
}

#[test]
fn children_are_stepped_through_without_what_lies_deeper() {
    let store = store();
    let parent = Key::new(&["apis"]);
    for id in ["a", "b", "c"] {
        put(&store, &parent.child(id), json!({}));
        put(&store, &parent.child(id).child("routes").child("x"), json!({}));
    }
    put(&store, &Key::new(&["apis2"]), json!({}));
    let snapshot = store.snapshot().expect("a snapshot");
    assert_eq!(snapshot.child_ids(&parent, None, 9).expect("read"), ["a", "b", "c"]);
    assert_eq!(snapshot.child_ids(&parent, Some("a"), 1).expect("read"), ["b"]);
    put(&store, &Key::new(&["s", "x"]), json!({}));
    let snapshot = store.snapshot().expect("a snapshot");
    assert_eq!(snapshot.roots().expect("read"), ["apis", "apis2", "s"]);
    assert_eq!(snapshot.subtree(&parent.child("b")).expect("read").len(), 2);
}

#[test]
fn commits_are_told_of_with_their_keys() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let on_commit =
        Box::new(move |keys: &[Key]| teller.lock().expect("no panic").extend_from_slice(keys));
    let store = Store::in_memory(on_commit).expect("a store");
    put(&store, &Key::new(&["a"]), json!({}));
    store.clear().expect("cleared");
    drop(store);
    assert_eq!(*told.lock().expect("no panic"), [Key::new(&["a"]), Key::new(&["a"])]);
}

#[test]
fn a_backup_restores_everything_and_only_that() {
    let store = store();
    put(&store, &Key::new(&["r", "a", "1"]), json!({"name": "n\u{e9}\n"}));
    put(&store, &Key::new(&["r", "b"]), json!({"list": [1, 2.5, null]}));
    let before = store.snapshot().expect("a snapshot").all().expect("read");
    let mut backup = Vec::new();
    assert_eq!(store.back_up(&mut backup).expect("backed up"), 2);
    put(&store, &Key::new(&["r", "c"]), json!({}));
    put(&store, &Key::new(&["r", "b"]), json!({"changed": true}));
    assert_eq!(store.restore(&backup).expect("restored"), Restored { documents_count: 2 });
    assert_eq!(store.snapshot().expect("a snapshot").all().expect("read"), before);
}

#[test]
fn a_backup_that_is_not_whole_changes_nothing() {
    let store = store();
    put(&store, &Key::new(&["a"]), json!({"n": 1}));
    put(&store, &Key::new(&["b"]), json!({"n": 2}));
    let mut backup = Vec::new();
    store.back_up(&mut backup).expect("backed up");
    let text = String::from_utf8(backup).expect("text");
    let lines: Vec<_> = text.lines().collect();
    let newer = lines[0].replace("\"schema_version\":1", "\"schema_version\":99");
    let broken = [
        String::new(),
        "{}\n".to_owned(),
        format!("{}\n{}\n", lines[0], lines[1]),
        format!("{}\n{}\n{}\n", lines[0], lines[1], lines[3]),
        text.replace("\"n\":1", "\"n\":3"),
        format!("{text}{}\n", lines[1]),
        format!("{newer}\n{}\n{}\n{}\n", lines[1], lines[2], lines[3]),
        text[..text.len() / 2].to_owned(),
    ];
    for backup in broken {
        let error = store.restore(backup.as_bytes()).expect_err(&backup);
        assert!(matches!(error, StoreError::Backup { .. }), "{error}");
    }
    assert_eq!(store.snapshot().expect("a snapshot").all().expect("read").len(), 2);
}

#[test]
fn a_closed_store_refuses_and_goes_on_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let store = Store::open(&path, Box::new(|_| {})).expect("opened");
    put(&store, &Key::new(&["a"]), json!({}));
    store.close();
    let refused = store.transact(|transaction| {
        transaction.put(Key::new(&["b"]), Document::new());
        Ok::<_, StoreError>(())
    });
    assert!(matches!(refused, Err(StoreError::Closed)));
    let other = Store::open(&path, Box::new(|_| {})).expect("another may open it now");
    drop(other);
    store.reopen().expect("opened again");
    put(&store, &Key::new(&["b"]), json!({}));
    assert_eq!(store.snapshot().expect("a snapshot").all().expect("read").len(), 2);
}

fn rename_a_to_b(transaction: &redb::WriteTransaction) -> Result<(), StoreError> {
    let mut table = transaction.open_table(DOCUMENTS).map_err(StoreError::storage("written"))?;
    let bytes = {
        let found = table.remove("a").map_err(StoreError::storage("written"))?;
        found.map(|bytes| bytes.value().to_vec())
    };
    if let Some(bytes) = bytes {
        table.insert("b", bytes.as_slice()).map_err(StoreError::storage("written"))?;
    }
    Ok(())
}

fn fail(_: &redb::WriteTransaction) -> Result<(), StoreError> {
    Err(StoreError::Closed)
}

#[test]
fn an_older_file_is_migrated_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let store = Store::open(&path, Box::new(|_| {})).expect("opened");
    put(&store, &Key::new(&["a"]), json!({"n": 1}));
    drop(store);

    let migrations: &[Migration] = &[rename_a_to_b, fail];
    assert!(open_file(&path, migrations).is_err(), "the second migration fails");
    assert!(get(&open(&path), &Key::new(&["a"])).is_some(), "and the first is undone with it");

    drop(open_file(&path, &[rename_a_to_b]).expect("migrated"));
    match Store::open(&path, Box::new(|_| {})) {
        Err(StoreError::Newer { found: 2, known: 1, .. }) => {}
        other => panic!("a newer file must be refused: {other:?}"),
    }
    let database = open_file(&path, &[rename_a_to_b]).expect("opened as what it is");
    let snapshot = Snapshot::new(&database).expect("a snapshot");
    let all = snapshot.all().expect("read");
    assert_eq!(all.iter().map(|(key, _)| key.last()).collect::<Vec<_>>(), ["b"]);
}

fn open(path: &Path) -> Store {
    Store::open(path, Box::new(|_| {})).expect("opened")
}
