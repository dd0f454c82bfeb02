//! The command line: what each command does, and with which exit code it ends.
//!
//! Owns the words that people type and read; what commands do is in the layers below. The only
//! layer that knows both planes, so it ties the shards to the process around them ([`gateway`]).

mod admin_call;
mod arguments;
mod backup;
mod check;
mod demo;
mod doctor;
mod echo;
mod exit;
mod gateway;
mod keeper;
mod pages;
mod routes;
mod run;
mod tls;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::{Arguments, Command, KeeperOptions};
use clap::Parser as _;
pub use exit::Exit;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    // clap ends the process itself on bad usage (exit code 2), and after --help and --version.
    if let Some(options) = KeeperOptions::of_process() {
        return keeper::perform(options).into();
    }
    perform(Arguments::parse().command).into()
}

fn perform(command: Command) -> Exit {
    match command {
        Command::Demo(options) => demo::perform(&options),
        Command::Run(options) => run::perform(&options),
        Command::Check(options) => check::perform(&options),
        Command::Routes(options) => routes::perform(&options),
        Command::Echo(options) => echo::run(options.listen, &options.cores),
        Command::Doctor(options) => doctor::perform(&options),
        Command::Backup(options) => backup::back_up(&options),
        Command::Restore(options) => backup::restore(&options),
        Command::Version => print(&pages::version()),
        Command::Completions(options) => print(&pages::completions(options.shell)),
        Command::Man(options) => pages::man(&options),
        Command::Schema => print(&pages::schema()),
    }
}

/// Writes to standard output. A reader that went away (`| head`) is no failure.
fn print(text: &str) -> Exit {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => fail(&format!("cannot write to standard output: {error}")),
    }
}

/// Says on standard error what went wrong while running.
fn fail(reason: &str) -> Exit {
    complain(reason);
    Exit::Failed
}

/// Says on standard error what is wrong with a boot file.
fn refuse(drawing: &str) -> Exit {
    let _ = io::stderr().lock().write_all(drawing.as_bytes());
    Exit::Refused
}

/// Writes a line to standard error; nothing can be done where that fails.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "shardgate: {line}");
}
