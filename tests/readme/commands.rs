//! The commands of the pages, run as they are written; only their ports are free ones.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::pages::{for_users, page, repository};

/// A command that goes on. Ended when dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts the words of a command line, of which the first is `shardgate`.
    fn start(command: &str, folder: &Path) -> Self {
        Self::start_with(command, folder, &[])
    }

    fn start_with(command: &str, folder: &Path, environment: &[(&str, &Path)]) -> Self {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("shardgate"), "{command}");
        let mut child = Command::new(binary())
            .args(words)
            .current_dir(folder)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Both are read to their end, or the program would stop at a full pipe.
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for output in outputs {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// The line that has `needle`, once it is there, and all before it.
    fn wait_for(&self, needle: &str) -> String {
        let mut before = String::new();
        for line in &self.lines {
            before.push_str(&line);
            before.push('\n');
            if line.contains(needle) {
                return before;
            }
        }
        panic!("it ended without {needle:?}:\n{before}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_shardgate"))
}

/// Runs a line as a user's shell does; answers with what it printed.
fn shell(line: &str, folder: &Path) -> String {
    let programs = binary().parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-e", "-c", line])
        .current_dir(folder)
        .env("PATH", format!("{programs}:{path}"))
        .output()
        .expect("sh runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{text}{errors}", output.status);
    text
}

fn count(text: &str, needle: &str) -> usize {
    text.matches(needle).count()
}

/// What follows `mark` up to a space or a quote.
fn word_after<'t>(text: &'t str, mark: &str) -> &'t str {
    let (_, rest) = text.rsplit_once(mark).unwrap_or_else(|| panic!("no {mark} in:\n{text}"));
    rest.split([' ', '"', '\n']).next().unwrap_or(rest)
}

#[test]
fn the_first_route_works_as_it_is_written() {
    let section = page("README.md").section("A first route in five minutes");
    let blocks = section.blocks();
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let (mut address, mut admin, mut target) = (String::new(), String::new(), String::new());
    let (mut echo, mut gateway) = (None, None);
    let mut printed = String::new();
    for block in &blocks {
        if block.language == "toml" {
            let driver = std::env::var("SHARDGATE_TEST_DRIVER").unwrap_or("auto".to_owned());
            let text = block
                .text
                .replace("127.0.0.1:9901", "127.0.0.1:0")
                .replace("127.0.0.1:8080", "127.0.0.1:0")
                .replace("127.0.0.1:9000", &target);
            let text = format!("[process]\nio_driver = \"{driver}\"\n{text}");
            fs::write(folder.join("gateway.toml"), text).expect("written");
            continue;
        }
        for line in block.text.lines() {
            // The test has its binary already.
            if line.starts_with("cargo build") || line.starts_with("export PATH") {
                continue;
            }
            match line.strip_suffix(" &") {
                Some(command) if command.starts_with("shardgate echo") => {
                    let running = Running::start(&command.replace("9000", "0"), folder);
                    target = word_after(&running.wait_for("listening on"), "listening on ").into();
                    echo = Some(running);
                }
                Some(command) => {
                    let running = Running::start(command, folder);
                    let log = running.wait_for("serving");
                    address = word_after(&log, "address=\"").into();
                    admin = word_after(&log, "admin=\"").into();
                    gateway = Some(running);
                }
                None => {
                    let line =
                        line.replace("127.0.0.1:8080", &address).replace("127.0.0.1:9901", &admin);
                    printed.push_str(&shell(&line, folder));
                    printed.push('\n');
                }
            }
        }
    }
    assert!(echo.is_some(), "the section starts a backend");
    assert!(printed.contains("gateway.toml: good"), "{printed}");
    assert!(printed.contains("GET /items/42 goes to `GET /items/{id}`"), "{printed}");
    assert!(printed.contains("{\"message\":\"hello\"}"), "{printed}");
    // What the backend saw.
    assert!(
        printed.contains("GET /headers HTTP/1.1") && printed.contains("x-request-id:"),
        "{printed}"
    );
    // Time passes between the four, so more than two may pass.
    let (passed, limited) = (count(&printed, "204 No Content"), count(&printed, "HTTP/1.1 429"));
    assert!(passed >= 2 && passed + limited == 4, "{printed}");
    assert_eq!(count(&printed, "HTTP/1.1 404 Not Found"), 1, "{printed}");
    assert!(printed.contains("\"epoch\":2"), "{printed}");
    assert!(printed.contains("{\"message\":\"hello again\"}"), "{printed}");
    assert!(printed.contains("shardgate_requests_total{api=\"first\""), "{printed}");
    assert!(printed.contains("\"draining\":true"), "{printed}");
    let mut gateway = gateway.expect("the section starts the gateway");
    assert_eq!(gateway.child.wait().expect("it ends").code(), Some(0), "it drained");
}

#[test]
fn the_first_command_prints_requests_that_work() {
    let readme = page("README.md");
    let commands = readme.section("Two commands").blocks();
    let first = commands.first().expect("a command");
    assert_eq!(first.text, "cargo run --release -- demo\n");
    let second = commands.get(1).expect("a second command").text.trim();
    assert!(repository().join(second).is_file(), "{second}");

    let folder = tempfile::tempdir().expect("temporary folder");
    let demo = Running::start(DEMO, folder.path());
    let invitation = demo.wait_for("Ctrl-C");
    assert!(invitation.contains("# a function"), "{invitation}");
    let lines = curl_lines(&invitation);
    assert!(lines.len() >= 9, "{invitation}");
    for line in lines {
        let printed = shell(line, folder.path());
        let is_missing = line.contains("/nothing");
        assert_eq!(printed.contains("404 Not Found"), is_missing, "{line}\n{printed}");
        assert!(!printed.contains("HTTP/1.1 5"), "{line}\n{printed}");
        if line.contains("# a function") {
            assert!(printed.contains("hello from the function hello, in "), "{line}\n{printed}");
        }
    }
    // Who has not read the key makes no functions.
    let management = word_after(&invitation, "aws --endpoint-url ");
    let refused = shell(&format!("curl -s {management}/2015-03-31/functions"), folder.path());
    assert!(refused.contains("Missing Authentication Token"), "{refused}");
}

/// Those that need nothing but what is in them.
fn curl_lines(invitation: &str) -> Vec<&str> {
    let lines = invitation.lines().map(str::trim);
    lines.filter(|line| line.starts_with("curl") && !line.contains("$api")).collect()
}

#[test]
fn a_demo_without_node_and_python_says_so_and_works() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let demo = Running::start_with(DEMO, folder.path(), &[("PATH", folder.path())]);
    let invitation = demo.wait_for("Ctrl-C");
    assert_eq!(count(&invitation, "No function: neither Node"), 1, "{invitation}");
    assert!(!invitation.contains("aws --endpoint-url"), "{invitation}");
    let lines = curl_lines(&invitation);
    assert!(lines.len() >= 8 && !invitation.contains("# a function"), "{invitation}");
    let printed = shell(lines[0], folder.path());
    assert!(printed.contains("hello from shardgate"), "{printed}");
}

#[test]
fn what_a_demo_writes_goes_with_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut demo = Running::start_with(DEMO, folder.path(), &[("TMPDIR", folder.path())]);
    let invitation = demo.wait_for("Ctrl-C");
    let written = || fs::read_dir(folder.path()).expect("read").count();
    assert_eq!(written(), 1, "{invitation}");
    let pid = demo.child.id();
    shell(&format!("kill -INT {pid}"), folder.path());
    assert_eq!(demo.child.wait().expect("it ends").code(), Some(0), "{invitation}");
    assert_eq!(written(), 0, "{invitation}");
}

const DEMO: &str = "shardgate demo --listen 127.0.0.1:0 --shards 1";

#[test]
fn a_demo_whose_address_is_taken_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Command::new(binary()).args(["demo", "--listen", &address]).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("--listen 127.0.0.1:0"), "{said}");
}

#[test]
fn commands_that_end_by_themselves_run() {
    let ends = ["check", "routes", "doctor", "schema", "version"];
    let mut commands_count = 0;
    for page in for_users().into_iter().filter(|page| page.name != "README.md") {
        for block in page.blocks().into_iter().filter(|block| block.language == "sh") {
            for line in block.text.lines() {
                let command = line.strip_prefix("shardgate ").unwrap_or_default();
                if ends.iter().any(|one| command.starts_with(one)) {
                    commands_count += 1;
                    shell(line, repository());
                }
            }
        }
    }
    assert!(commands_count > 0, "no command was found");
}

#[test]
fn the_admin_listener_has_what_the_page_lists() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = "[admin]\naddress = \"127.0.0.1:0\"\n[[listener]]\nname = \"a\"\n\
                address = \"127.0.0.1:0\"\n[[api]]\nname = \"a\"\n\
                route = [{ key = \"$default\", mock = {} }]\n";
    fs::write(folder.path().join("gateway.toml"), file).expect("written");
    let gateway = Running::start("shardgate run --config gateway.toml", folder.path());
    let log = gateway.wait_for("serving");
    let index = shell(&format!("curl -s http://{}/", word_after(&log, "admin=\"")), folder.path());
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let page = page("docs/observability.md");
    let words = page.code_words();
    for name in index.as_object().expect("an object").keys() {
        assert!(words.contains(name), "docs/observability.md lacks `{name}`");
    }
    for word in words.iter().filter(|word| word.starts_with("GET /") || word.starts_with("POST /"))
    {
        assert!(word == "GET /" || index.get(word).is_some(), "there is no `{word}`");
    }
}
