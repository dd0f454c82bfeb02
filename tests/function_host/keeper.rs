//! The keeper leaves nothing behind, whatever its program does and whoever is killed.
//!
//! Everything that a program starts has its standard output, the other end of which a test reads to its
//! end: that comes when the last of them is gone.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use shardgate::sys::{Signal, inheritable, send_signal};

use crate::runtime_api::PATIENCE;

const SHARDGATE: &str = env!("CARGO_BIN_EXE_shardgate");

/// A keeper, or what keepers are started by, with its standard output.
struct Started {
    child: Child,
    out: BufReader<UnixStream>,
}

impl Started {
    fn new(command: &mut Command) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let child = command.stdout(OwnedFd::from(theirs)).stdin(Stdio::null()).spawn();
        // The command has a copy of its own until it is dropped.
        command.stdout(Stdio::null());
        Self { child: child.expect("started"), out: BufReader::new(ours) }
    }

    fn keeping(script: &str) -> Self {
        Self::new(&mut keeper(script))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Waits until nothing of it is left: what it wrote, and how it ended.
    fn end(mut self) -> (String, ExitStatus) {
        let mut text = String::new();
        self.out.read_to_string(&mut text).expect("everyone is gone");
        (text, self.child.wait().expect("ended"))
    }
}

fn keeper(script: &str) -> Command {
    let mut command = Command::new(SHARDGATE);
    command.args(["function-keeper", "--parent", &std::process::id().to_string()]);
    command.args(["--grace-ms", "300", "--", "sh", "-c", script]);
    command
}

/// Two daemons, in sessions of their own, one of them an orphan from its start; both end by force alone.
const DAEMONS: &str = "trap '' TERM HUP; setsid sleep 600 & (setsid sh -c 'sleep 600; :' &) & ";

#[test]
fn it_ends_as_its_program_does() {
    let (text, status) = Started::keeping("echo out; exit 7").end();
    assert_eq!((text.as_str(), status.code()), ("out\n", Some(7)));
    let (_, status) = Started::keeping("kill -9 $$").end();
    assert_eq!(status.signal(), Some(9));
    let (_, status) = Started::keeping("kill -SEGV $$").end();
    assert_eq!(status.signal(), Some(11));
}

#[test]
fn nothing_is_left_when_the_program_has_ended() {
    let (_, status) = Started::keeping(&format!("{DAEMONS} exit 5")).end();
    assert_eq!(status.code(), Some(5));
}

#[test]
fn nothing_is_left_when_it_is_told_to_end() {
    let mut started = Started::keeping(&format!("{DAEMONS} echo ready; while :; do sleep 1; done"));
    assert_eq!(started.line(), "ready");
    send_signal(started.child.id(), Signal::Terminate).expect("sent");
    assert_eq!(started.end().1.signal(), Some(9));
}

#[test]
fn nothing_is_left_when_the_gateway_is_killed() {
    let script = format!("{DAEMONS} echo ready; while :; do sleep 1; done");
    let mut gateway = Command::new("sh");
    gateway.args(["-c", r#""$0" function-keeper --parent $$ --grace-ms 300 -- sh -c "$1" & wait"#]);
    let mut started = Started::new(gateway.args([SHARDGATE, &script]));
    assert_eq!(started.line(), "ready");
    send_signal(started.child.id(), Signal::Kill).expect("sent");
    assert_eq!(started.end().1.signal(), Some(9));
}

#[test]
fn a_keeper_of_nobody_starts_nothing() {
    let mut command = Command::new(SHARDGATE);
    command.args(["function-keeper", "--parent", "1", "--grace-ms", "1", "--", "echo", "started"]);
    let (text, status) = Started::new(command.stderr(Stdio::null())).end();
    assert_eq!((text.as_str(), status.success()), ("", false));
}

#[test]
fn a_program_may_end_itself_when_it_is_asked_to() {
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut started = Started::keeping(script);
    assert_eq!(started.line(), "ready");
    send_signal(started.child.id(), Signal::User1).expect("sent");
    let (text, status) = started.end();
    assert_eq!((text.as_str(), status.code()), ("bye\n", Some(3)));
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let mut started = Started::keeping("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    assert_eq!(started.line(), "ready");
    send_signal(started.child.id(), Signal::User1).expect("sent");
    assert_eq!(started.end().1.signal(), Some(9));
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let mut command = Command::new(SHARDGATE);
    let parent = std::process::id().to_string();
    command.args(["function-keeper", "--parent", &parent, "--grace-ms", "1", "--", "/no/such"]);
    let output = command.output().expect("started");
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/no/such cannot be started"), "{said}");
}

#[test]
fn descriptors_of_the_gateway_stay_with_it() {
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let leaked = inheritable(std::os::fd::AsFd::as_fd(&ours)).expect("copied");
    let (text, _) = Started::keeping("echo /proc/self/fd/*").end();
    drop(leaked);
    let numbers: Vec<_> =
        text.split_whitespace().filter_map(|one| one.rsplit('/').next()).collect();
    // The shell opens the folder itself to list it.
    assert!(numbers.len() <= 4, "{numbers:?}");
}
