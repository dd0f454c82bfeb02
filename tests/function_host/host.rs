//! The host starts, watches and ends processes, and tells shards.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use shardgate::coord::{EndReason, HostMessage};
use shardgate::function::{DefinitionSource, FunctionDefinition, FunctionUser};

use crate::interpreter::{Language, write_files};
use crate::runtime_api::PATIENCE;
use crate::site::{Site, beside, handler, shell};

fn parsed(reason: &str) -> Json {
    serde_json::from_str(reason).expect("JSON")
}

#[tokio::test]
async fn a_process_answers_and_ends_when_a_shard_says_so() {
    if !Language::Python.is_here() {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = "import os\ndef handler(event, context):\n    return dict(os.environ)\n";
    write_files(folder.path(), &[("app.py", text)]);
    let mut definition = handler("orders", folder.path());
    definition.environment.insert("COLOUR".to_owned(), "blue".to_owned());
    let site = Site::start(vec![definition]);
    site.ask_for("orders", 1);
    let (process, mut runtime) = site.connected(1).await;
    let (sent, _runtime) = beside(move || (runtime.call("one", "{}"), runtime)).await;
    let variables = sent.json();
    assert_eq!(
        (&variables["COLOUR"], &variables["AWS_LAMBDA_FUNCTION_NAME"]),
        (&json!("blue"), &json!("orders"))
    );
    assert!(variables.get("CARGO_MANIFEST_DIR").is_none(), "nothing of the gateway's own");
    let function = site.find("orders");
    function.tell_host(HostMessage::Initialised { process: Arc::clone(&process) });
    assert!(!process.has_ended());
    let end = HostMessage::End { process: Arc::clone(&process), reason: EndReason::Idle };
    function.tell_host(end);
    site.ended().await;
    site.places_are_free("orders").await;
    let counts = &site.host.counts()["orders"];
    assert_eq!((counts.starts_count, counts.initialised_count, counts.processes_count), (1, 1, 0));
    assert_eq!(counts.ended_counts["idle"], 1);
}

#[tokio::test]
async fn one_that_dies_at_its_start_is_not_started_again_at_once() {
    let site = Site::start(vec![shell("orders", "exit 3")]);
    site.ask_for("orders", 0);
    let reason = site.start_failed(0).await;
    let expected = json!({
        "errorType": "Runtime.ExitError",
        "errorMessage": "Error: Runtime exited with error: exit status 3",
    });
    assert_eq!(parsed(&reason), expected);
    assert_eq!(site.ended().await, reason);
    site.places_are_free("orders").await;
    site.ask_for("orders", 1);
    assert_eq!(site.start_failed(1).await, reason);
    assert_eq!(site.host.counts()["orders"].starts_count, 1, "no second process");
    // Another definition is worth another try.
    site.host.set_definitions(DefinitionSource::BootFile, vec![shell("orders", "exit 4")]);
    site.ask_for("orders", 1);
    assert!(site.start_failed(1).await.contains("exit status 4"));
}

#[tokio::test]
async fn one_that_never_asks_for_an_event_is_ended() {
    let definition = FunctionDefinition { init_timeout_ms: 150, ..shell("orders", "sleep 600") };
    let site = Site::start(vec![definition]);
    site.ask_for("orders", 0);
    let reason = parsed(&site.start_failed(0).await);
    assert_eq!(reason["errorType"], "Sandbox.Timedout");
    assert_eq!(reason["errorMessage"], "Error: Task timed out after 0.15 seconds");
    site.ended().await;
}

#[tokio::test]
async fn who_waits_for_a_start_is_told_of_the_end_of_the_host() {
    let site = Site::start(vec![shell("orders", "sleep 600")]);
    site.ask_for("orders", 0);
    // A shard asks for another function, which is added meanwhile: the first one's task has run then.
    site.host.add_definitions(DefinitionSource::BootFile, &[shell("other", "exit 1")]);
    site.ask_for("other", 1);
    assert!(site.start_failed(1).await.contains("exit status 1"));
    site.ended().await;
    site.host.end().await;
    assert!(site.start_failed(0).await.contains("was ended"));
    site.ended().await;
}

#[tokio::test]
async fn an_init_error_ends_the_process_with_it() {
    if !Language::Python.is_here() {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    write_files(folder.path(), &[("app.py", "import nothing_of_this_name")]);
    let site = Site::start(vec![handler("orders", folder.path())]);
    site.ask_for("orders", 0);
    let (process, mut runtime) = site.connected(0).await;
    let (sent, mut runtime) = beside(move || (runtime.read(), runtime)).await;
    let error = sent.text().to_owned();
    let function = site.find("orders");
    function.tell_host(HostMessage::InitFailed { process, error: error.clone() });
    runtime.accept();
    assert_eq!(*site.start_failed(0).await, *error);
    assert_eq!(*site.ended().await, *error);
    assert_eq!(site.host.counts()["orders"].ended_counts["init_error"], 1);
}

#[tokio::test]
async fn one_that_takes_too_long_or_too_much_is_ended_with_the_error_that_says_so() {
    if !Language::Python.is_here() {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = "import time\ndef handler(event, context):\n\
                \x20   kept = b'x' * int(event)\n    time.sleep(600)\n    return len(kept)\n";
    write_files(folder.path(), &[("app.py", text)]);
    let mut definition = handler("orders", folder.path());
    definition.memory_bytes_max = 64 << 20;
    let site = Site::start(vec![definition]);
    let function = site.find("orders");
    for (bytes, kind, message) in [
        ("1", "Sandbox.Timedout", "RequestId: r1 Error: Task timed out after 3.00 seconds"),
        (
            "200000000",
            "Runtime.OutOfMemory",
            "RequestId: r1 Error: Runtime exited with error: signal: killed",
        ),
    ] {
        site.ask_for("orders", 0);
        let (process, mut runtime) = site.connected(0).await;
        function.tell_host(HostMessage::Initialised { process: Arc::clone(&process) });
        process.set_request_id(Some("r1"));
        let _runtime = beside(move || {
            runtime.give("r1", bytes);
            runtime
        })
        .await;
        if kind == "Sandbox.Timedout" {
            function.tell_host(HostMessage::End { process, reason: EndReason::TimedOut });
        }
        let reason = parsed(&site.ended().await);
        assert_eq!(reason, json!({ "errorType": kind, "errorMessage": message }));
    }
}

#[tokio::test]
async fn nothing_is_left_when_the_host_ends() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' TERM; (setsid sh -c 'echo $$ >> {0}; sleep 600; :' &); echo $$ >> {0}; sleep 600; :",
        pids.display()
    );
    let site = Site::start(vec![shell("orders", &script)]);
    site.ask_for("orders", 0);
    let written = async {
        loop {
            let text = fs::read_to_string(&pids).unwrap_or_default();
            if text.lines().count() == 2 {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let written = tokio::time::timeout(PATIENCE, written).await.expect("both run");
    site.host.end().await;
    for pid in written.lines() {
        assert!(!fs::exists(format!("/proc/{pid}")).expect("readable"), "{pid} is left");
    }
    site.places_are_free("orders").await;
    site.start_failed(0).await;
    site.ended().await;
    site.ask_for("orders", 1);
    assert!(site.start_failed(1).await.contains("the gateway ends"));
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write_files(folder.path(), &[("index.js", "")]);
    let mut without_node = handler("node", folder.path());
    without_node.environment.insert("PATH".to_owned(), "/nowhere".to_owned());
    let site = Site::start(vec![without_node]);
    site.ask_for("node", 0);
    let reason = parsed(&site.start_failed(0).await);
    assert_eq!(reason["errorType"], "Runtime.InvalidEntrypoint");
    assert_eq!(
        reason["errorMessage"],
        "Error: `node` is not installed, or not in any folder of PATH"
    );
    site.ended().await;
}

#[tokio::test]
async fn lines_are_in_the_log_with_their_request() {
    let lines = Lines::default();
    let into = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || into.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let script = "echo one line; id -u >&2; printf 'no \\377 text'; exit 1";
    let mut definition = shell("orders", script);
    // Another user can be had by root alone.
    let is_root = shardgate::sys::is_root();
    definition.user = is_root.then(|| FunctionUser::Name("nobody".to_owned()));
    let site = Site::start(vec![definition]);
    site.ask_for("orders", 0);
    site.start_failed(0).await;
    let text = lines.text();
    assert!(text.contains("one line function=\"orders\" process=1"), "{text}");
    assert!(text.contains("stream=\"stdout\"") && text.contains("no \u{fffd} text"), "{text}");
    let nobody = shardgate::sys::find_user("nobody").expect("readable").map(|user| user.uid);
    let uid = nobody.filter(|_| is_root).map(|uid| format!(" {uid} function=\"orders\""));
    assert!(uid.is_none_or(|uid| text.contains(&uid)), "{text}");
}

/// A line is read when the answer may be out already.
#[tokio::test]
async fn a_line_is_of_the_request_that_was_there_last() {
    if !Language::Python.is_here() {
        return;
    }
    let lines = Lines::default();
    let into = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || into.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = "def handler(event, context):\n    print('about', event)\n";
    write_files(folder.path(), &[("app.py", text)]);
    let site = Site::start(vec![handler("orders", folder.path())]);
    site.ask_for("orders", 0);
    let (process, mut runtime) = site.connected(0).await;
    process.set_request_id(Some("r1"));
    let _runtime = beside(move || (runtime.call("r1", "\"a\""), runtime)).await;
    process.set_request_id(None);
    assert_eq!(process.request_id(), None);
    let end = HostMessage::End { process: Arc::clone(&process), reason: EndReason::Idle };
    process.function.tell_host(end);
    site.start_failed(0).await;
    let text = lines.text();
    assert!(text.contains("about a function=\"orders\" process=1 request_id=\"r1\""), "{text}");
}

#[tokio::test]
async fn the_boot_file_counts_before_the_management_api() {
    let limited =
        |name: &str, timeout_ms| FunctionDefinition { timeout_ms, ..shell(name, "sleep 600") };
    let site = Site::start(vec![limited("orders", 1_000)]);
    let of_management = vec![limited("orders", 2_000), limited("users", 2_000)];
    site.host.set_definitions(DefinitionSource::Management, of_management);
    let timeout = |name: &str| site.find(name).timeout().as_millis();
    assert_eq!((timeout("orders"), timeout("users")), (1_000, 2_000));
    let orders = site.find("orders");
    site.host.set_definitions(DefinitionSource::BootFile, Vec::new());
    assert_eq!((timeout("orders"), orders.generation()), (2_000, 1));
    site.host.set_definitions(DefinitionSource::Management, Vec::new());
    assert!(site.board.find("orders").is_none());
    assert_eq!(orders.generation(), 2, "its processes are stale");
}

#[tokio::test]
async fn reserved_places_are_taken_from_those_of_all() {
    let reserved =
        FunctionDefinition { reserved_concurrency: Some(8), ..shell("orders", "sleep 600") };
    let site = Site::start(vec![reserved, shell("users", "sleep 600")]);
    let taken = |name: &str| {
        let function = site.find(name);
        (0..20).map_while(|_| function.take_place()).collect::<Vec<_>>()
    };
    let (orders, users) = (taken("orders"), taken("users"));
    assert_eq!((orders.len(), users.len()), (8, 2));
}

#[tokio::test]
async fn changed_code_makes_processes_stale() {
    let folder = tempfile::tempdir().expect("temporary folder");
    write_files(folder.path(), &[("index.js", "1")]);
    let site = Site::start(vec![handler("orders", folder.path())]);
    let function = site.find("orders");
    let changed = async {
        let mut count = 0;
        // Until the watch is there, a change may go by.
        while function.generation() == 0 {
            count += 1;
            write_files(folder.path(), &[("index.js", &count.to_string())]);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.expect("it is seen");
}

/// A process log that a test reads.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
