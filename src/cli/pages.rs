//! What is made from the definition of the command line: version, completions, man pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::arguments::{Arguments, ManOptions};
use super::{Exit, fail, print};
use crate::settings;

/// Version, target and profile, one `name: value` per line.
pub(super) fn version() -> String {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "shardgate: {}\ntarget: {}-{}\nprofile: {profile}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}

/// The JSON Schema of the boot file.
pub(super) fn schema() -> String {
    format!("{:#}\n", settings::json_schema())
}

/// Completions for `shell`.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "shardgate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Prints the man page of the program, or writes the pages of all commands to a folder.
pub(super) fn man(options: &ManOptions) -> Exit {
    let done = match &options.folder {
        Some(folder) => write_pages(folder).map(|()| Exit::Done),
        None => page(Arguments::command()).map(|page| print(&page)),
    };
    done.unwrap_or_else(|error| fail(&format!("cannot write the man pages: {error}")))
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command().disable_help_subcommand(true), folder)
}

fn page(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_gets_completions_of_every_command() {
        for shell in Shell::value_variants() {
            let script = completions(*shell);
            assert!(script.contains("doctor") && script.contains("routes"), "{shell}");
        }
    }

    #[test]
    fn a_folder_gets_a_page_per_command() {
        let folder = tempfile::tempdir().expect("temporary folder");
        write_pages(folder.path()).expect("written");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
        assert!(read("shardgate.1").contains("Exit codes"));
        assert!(read("shardgate-run.1").contains("SIGUSR2"));
    }
}
