//! From a definition to a command line: what one process of a function is started with.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::definition::{FunctionDefinition, FunctionProgram, FunctionUser};
use super::environment::{Surroundings, search_path};
use super::handler::FoundHandler;
use crate::sys::{UserRecord, find_user, is_root};

/// What one process is started with.
#[derive(Debug)]
pub(super) struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    user: Option<UserRecord>,
    variables: BTreeMap<String, String>,
    /// What it reads from standard input.
    pub(super) script: Option<&'static str>,
}

/// What is the same for all processes.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The program that keeps processes: this one.
    pub keeper: PathBuf,
    /// The region of functions that name none.
    pub region: String,
}

impl HostOptions {
    /// With the running program as the keeper, whatever has become of its file.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self { keeper: "/proc/self/exe".into(), region: region.to_owned() }
    }
}

impl Launch {
    /// Finds the program, the user and all else. Reads the disk. The error is a sentence without full
    /// stop.
    pub(super) fn prepare(
        definition: &FunctionDefinition,
        options: &HostOptions,
        runtime_api: &str,
    ) -> Result<Self, String> {
        let user = definition.user.as_ref().map(load_user).transpose()?.flatten();
        let given = definition.environment.get("PATH");
        let path = given.cloned().unwrap_or_else(search_path);
        let directory = definition.working_directory.clone();
        let home = user.as_ref().map(|user| user.home.clone());
        let mut surroundings = Surroundings {
            runtime_api,
            region: &options.region,
            home: home.as_deref(),
            task_root: "",
            handler: "",
            execution: None,
        };
        match &definition.program {
            FunctionProgram::Command(words) => {
                let (first, rest) = words.split_first().ok_or("there is no program")?;
                let root = directory.clone().or_else(|| std::env::current_dir().ok());
                let root = root.unwrap_or_else(|| "/".into());
                let program = find_program(first, &root, &path)?;
                let (task_root, name) = (root.display().to_string(), first.clone());
                surroundings.task_root = &task_root;
                surroundings.handler = rest.last().unwrap_or(&name);
                let variables = surroundings.variables(definition);
                let arguments = rest.iter().map(Into::into).collect();
                Ok(Self { program, arguments, directory, user, variables, script: None })
            }
            FunctionProgram::Handler(code) => {
                let found = FoundHandler::find(code)?;
                let folder = std::path::absolute(&code.folder).unwrap_or(code.folder.clone());
                let program = find_program(found.runtime.program(), &folder, &path)?;
                let task_root = folder.display().to_string();
                surroundings.task_root = &task_root;
                surroundings.handler = &found.handler;
                surroundings.execution = Some(found.runtime.execution());
                let variables = surroundings.variables(definition);
                let guessed = found.is_guessed.then_some("guessed");
                let arguments = found.runtime.arguments().iter().copied().chain(guessed);
                let arguments = arguments.map(Into::into).collect();
                let directory = Some(directory.unwrap_or(folder));
                let script = Some(found.runtime.client());
                Ok(Self { program, arguments, directory, user, variables, script })
            }
        }
    }

    /// The command of its keeper.
    pub(super) fn command(&self, options: &HostOptions, grace_ms: u64) -> Command {
        let mut command = Command::new(&options.keeper);
        // Not the gateway's group, whose terminal may interrupt it.
        command.arg0(KEEPER_NAME).process_group(0);
        command.arg("function-keeper").args(["--parent", &std::process::id().to_string()]);
        command.args(["--grace-ms", &grace_ms.to_string()]);
        if let Some(directory) = &self.directory {
            command.arg("--directory").arg(directory);
        }
        if let Some(user) = &self.user {
            command.args(["--uid", &user.uid.to_string(), "--gid", &user.gid.to_string()]);
        }
        command.arg("--").arg(&self.program).args(&self.arguments);
        let input = if self.script.is_some() { Stdio::piped() } else { Stdio::null() };
        command.env_clear().envs(&self.variables);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Who it runs as; `None` for whom the gateway runs as itself.
fn load_user(user: &FunctionUser) -> Result<Option<UserRecord>, String> {
    let record = match user {
        FunctionUser::Id(uid) => UserRecord { uid: *uid, gid: *uid, home: "/".to_owned() },
        FunctionUser::Name(name) => {
            let found = find_user(name);
            let found =
                found.map_err(|error| format!("the user `{name}` is not found: {error}"))?;
            found.ok_or_else(|| format!("there is no user `{name}`"))?
        }
    };
    if !is_root() {
        return Err(format!("only root runs functions as another user ({})", record.uid));
    }
    Ok(Some(record))
}

/// A program by its path, from `root`, or by its name among the folders of `path`.
fn find_program(name: &str, root: &Path, path: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        let program = root.join(name);
        return match is_program(&program) {
            true => Ok(program),
            false => Err(format!("{} is no program that can be run", program.display())),
        };
    }
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    folders
        .map(|folder| root.join(folder).join(name))
        .find(|program| is_program(program))
        .ok_or_else(|| format!("`{name}` is not installed, or not in any folder of PATH"))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// What process lists show.
const KEEPER_NAME: &str = "shardgate";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::HandlerCode;
    use crate::model::FunctionName;

    fn prepare(definition: &FunctionDefinition) -> Result<Launch, String> {
        Launch::prepare(definition, &HostOptions::new("us-east-1"), "127.0.0.1:1")
    }

    fn definition(program: FunctionProgram) -> FunctionDefinition {
        FunctionDefinition::new(FunctionName::parse("orders").expect("a name"), program)
    }

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        let words =
            |text: &str| FunctionProgram::Command(text.split(' ').map(str::to_owned).collect());
        let launch = prepare(&definition(words("sh -c x"))).expect("found");
        assert!(launch.program.is_absolute() && launch.program.ends_with("sh"));
        assert_eq!(launch.arguments, ["-c", "x"]);
        let mut local = definition(words("./run"));
        let folder = tempfile::tempdir().expect("temporary folder");
        local.working_directory = Some(folder.path().to_owned());
        assert!(prepare(&local).expect_err("not there").contains("no program"));
        std::fs::write(folder.path().join("run"), "").expect("written");
        assert!(prepare(&local).is_err(), "not executable");
        let said = prepare(&definition(words("no-such-program"))).expect_err("not there");
        assert!(said.contains("`no-such-program` is not installed"), "{said}");
    }

    #[test]
    fn a_missing_interpreter_is_said_by_its_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("index.js"), "").expect("written");
        let (handler, runtime) = (None, None);
        let code = HandlerCode { folder: folder.path().to_owned(), handler, runtime };
        let mut definition = definition(FunctionProgram::Handler(code));
        definition.environment.insert("PATH".to_owned(), "/nowhere".to_owned());
        assert!(prepare(&definition).expect_err("no node").contains("`node` is not installed"));
    }

    #[test]
    fn a_user_that_is_not_there_is_said() {
        let mut definition = definition(FunctionProgram::Command(vec!["sh".to_owned()]));
        definition.user = Some(FunctionUser::Name("no such user here".to_owned()));
        assert!(prepare(&definition).expect_err("no user").contains("there is no user"));
    }
}
