//! The commands and their options, as clap reads them. The help texts are the reference: the man
//! page and the shell completions are made from them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::exit;

/// An API gateway with Amazon API Gateway's semantics: one shard per core, one binary.
#[derive(Debug, Parser)]
#[command(name = "shardgate", version, after_help = exit::HELP, subcommand_required = true)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the gateway in front of a built-in backend, and print requests to try
    ///
    /// Needs no file and no other program. Ends with Ctrl-C.
    Demo(DemoOptions),

    /// Run the gateway
    ///
    /// Signals: SIGHUP reloads the file, SIGUSR1 reopens the logs, SIGTERM and SIGINT drain and
    /// end (a second one ends at once), SIGUSR2 starts the binary anew with the listening sockets
    /// handed over and drains this process once the new one is ready.
    Run(ConfigOptions),

    /// Check a configuration and say every mistake in it
    ///
    /// Compiles it as `run` would, and starts nothing. Exit code 0 if `run` would take it, 2 if
    /// not.
    Check(CheckOptions),

    /// List the routes of a configuration, or say what answers one request and why
    Routes(RoutesOptions),

    /// Run a fast test backend: fixed-size, echo, delayed, chunked, failing and slow answers
    ///
    /// The path of a request chooses the answer; `GET /paths` lists them.
    Echo(EchoOptions),

    /// Say what the gateway would use on this machine, and what to change
    ///
    /// Looks at the kernel, io_uring and its flags, limits on locked memory and descriptors,
    /// cores, and queue lengths.
    Doctor(DoctorOptions),

    /// Write everything that the management API has stored to a file
    ///
    /// Works while the gateway runs, by its admin listener, and while it does not.
    Backup(BackupOptions),

    /// Replace everything that the management API has stored by a backup
    ///
    /// All of it or nothing: a backup that is not whole changes nothing. Works while the gateway
    /// runs, by its admin listener, and while it does not.
    Restore(BackupOptions),

    /// Print the JSON Schema of the configuration file
    Schema,

    /// Print version, target and build
    Version,

    /// Print shell completions
    ///
    /// For bash: `shardgate completions bash > /etc/bash_completion.d/shardgate`
    Completions(CompletionsOptions),

    /// Print the man page, or write one page per command to a folder
    Man(ManOptions),
}

#[derive(Args, Debug)]
pub(super) struct ConfigOptions {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct BackupOptions {
    #[command(flatten)]
    pub(super) file: ConfigOptions,

    /// The file of the backup
    #[arg(value_name = "BACKUP")]
    pub(super) backup: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct CheckOptions {
    #[command(flatten)]
    pub(super) file: ConfigOptions,

    /// Check for a machine with so many cores, not for this one
    #[arg(long, value_name = "COUNT")]
    pub(super) cores: Option<std::num::NonZeroU16>,
}

#[derive(Args, Debug)]
pub(super) struct RoutesOptions {
    #[command(flatten)]
    pub(super) file: ConfigOptions,

    /// The method of the request to explain
    #[arg(requires = "url")]
    pub(super) method: Option<String>,

    /// The URL of the request to explain: `http://api.example.com/items/7`, or a path alone
    pub(super) url: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct DemoOptions {
    /// Where the gateway listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,

    /// How many shards; one per core if not given
    #[arg(long, value_name = "COUNT")]
    pub(super) shards: Option<std::num::NonZeroU16>,
}

#[derive(Args, Debug)]
pub(super) struct EchoOptions {
    /// Where it listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    pub(super) listen: SocketAddr,

    /// Pin it to this core; given more than once, one thread on each
    #[arg(long = "core", value_name = "NUMBER")]
    pub(super) cores: Vec<usize>,
}

#[derive(Args, Debug)]
pub(super) struct DoctorOptions {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CompletionsOptions {
    /// The shell
    pub(super) shell: Shell,
}

#[derive(Args, Debug)]
pub(super) struct ManOptions {
    /// Write `shardgate.1` and a page per command to this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub(super) folder: Option<PathBuf>,
}

/// Keeps one process of a function
///
/// The gateway starts this itself. No command of its own to people, it is in no help, no page and no
/// completion.
#[derive(Debug, Parser)]
#[command(name = "shardgate function-keeper")]
pub(super) struct KeeperOptions {
    /// The process that it keeps for
    #[arg(long, value_name = "PID")]
    pub(super) parent: u32,

    /// How long the program may take when it is asked to end
    #[arg(long, value_name = "MILLISECONDS")]
    pub(super) grace_ms: u64,

    /// Where the program starts
    #[arg(long, value_name = "FOLDER")]
    pub(super) directory: Option<PathBuf>,

    /// Who the program runs as
    #[arg(long, value_name = "UID", requires = "gid")]
    pub(super) uid: Option<u32>,

    /// The group that the program runs as
    #[arg(long, value_name = "GID", requires = "uid")]
    pub(super) gid: Option<u32>,

    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub(super) program: Vec<OsString>,
}

impl KeeperOptions {
    /// What this process is told, if it is to be a keeper. Ends it where that is wrong.
    pub(super) fn of_process() -> Option<Self> {
        let mut words = std::env::args_os().skip(1);
        let is_keeper = words.next().is_some_and(|word| word == "function-keeper");
        is_keeper.then(|| Self::parse_from(std::iter::once(OsString::new()).chain(words)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
        KeeperOptions::command().debug_assert();
    }

    #[test]
    fn a_method_without_url_is_bad_usage() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' '));
        assert!(parse("shardgate routes --config a.toml").is_ok());
        assert!(parse("shardgate routes --config a.toml GET /items").is_ok());
        assert_eq!(parse("shardgate routes --config a.toml GET").unwrap_err().exit_code(), 2);
        assert_eq!(parse("shardgate run").unwrap_err().exit_code(), 2);
        assert_eq!(parse("shardgate nonsense").unwrap_err().exit_code(), 2);
    }
}
