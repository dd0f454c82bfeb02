//! A plain handler in its interpreter, with a client as the binary carries it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::runtime_api::{Runtime, accept};

/// An interpreter that runs a handler.
pub(crate) struct Interpreter {
    pub(crate) child: Child,
    pub(crate) runtime: Runtime,
    _folder: tempfile::TempDir,
}

#[derive(Clone, Copy)]
pub(crate) enum Language {
    Node,
    Python,
}

impl Language {
    fn program(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    fn client(self) -> &'static str {
        match self {
            Self::Node => include_str!("../../src/function/clients/runtime.cjs"),
            Self::Python => include_str!("../../src/function/clients/runtime.py"),
        }
    }

    /// Whether it is installed; says so where it is not.
    pub(crate) fn is_here(self) -> bool {
        let program = self.program();
        let is_here = Command::new(program).arg("--version").output().is_ok();
        if !is_here {
            eprintln!("skipped: `{program}` is not installed");
        }
        is_here
    }

    /// Runs `handler` of a folder with these files.
    #[track_caller]
    pub(crate) fn run(self, files: &[(&str, &str)], handler: &str) -> Interpreter {
        self.run_with(files, handler, &[])
    }

    #[track_caller]
    pub(crate) fn run_with(
        self,
        files: &[(&str, &str)],
        handler: &str,
        arguments: &[&str],
    ) -> Interpreter {
        let folder = tempfile::tempdir().expect("temporary folder");
        write_files(folder.path(), files);
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut child = Command::new(self.program())
            .arg("-")
            .args(arguments)
            .current_dir(folder.path())
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("bound").to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
            .env("LAMBDA_TASK_ROOT", folder.path())
            .env("_HANDLER", handler)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(self.client().as_bytes()).expect("written");
        drop(input);
        let runtime = accept(&listener);
        Interpreter { child, runtime, _folder: folder }
    }
}

impl Interpreter {
    /// Waits for its end: the exit code, and what it wrote.
    pub(crate) fn end(&mut self) -> (Option<i32>, String, String) {
        let (mut out, mut error) = (String::new(), String::new());
        self.child.stdout.take().expect("piped").read_to_string(&mut out).expect("text");
        self.child.stderr.take().expect("piped").read_to_string(&mut error).expect("text");
        (self.child.wait().expect("ended").code(), out, error)
    }

    /// Takes what it says instead of asking for an event: the error, and its exit code.
    #[track_caller]
    pub(crate) fn init_error(mut self) -> (serde_json::Value, Option<i32>) {
        let sent = self.runtime.read();
        assert_eq!(sent.line, "POST /2018-06-01/runtime/init/error HTTP/1.1");
        let error = sent.json();
        assert_eq!(sent.headers["lambda-runtime-function-error-type"], error["errorType"]);
        self.runtime.accept();
        (error, self.child.wait().expect("ended").code())
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn write_files(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
}
