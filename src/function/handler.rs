//! Plain handlers: which interpreter runs a folder, and what of it is called.

use std::path::Path;

use super::definition::{HandlerCode, HandlerRuntime};

/// A handler whose interpreter is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FoundHandler {
    pub(super) runtime: HandlerRuntime,
    /// `FILE.EXPORT`.
    pub(super) handler: String,
    /// Nobody said which: the folder decided.
    pub(super) is_guessed: bool,
}

impl HandlerRuntime {
    /// The program that runs it.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    /// Its arguments: the client comes by standard input, which is at its end for the function then.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["-"],
            Self::Python => &["-"],
        }
    }

    /// What speaks the Runtime API for it.
    pub(super) fn client(self) -> &'static str {
        match self {
            Self::Node => include_str!("clients/runtime.cjs"),
            Self::Python => include_str!("clients/runtime.py"),
        }
    }

    /// What Lambda's own runtimes say in `AWS_EXECUTION_ENV`, without the version.
    pub(super) fn execution(self) -> &'static str {
        match self {
            Self::Node => "AWS_Lambda_nodejs",
            Self::Python => "AWS_Lambda_python",
        }
    }

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["js", "mjs", "cjs"],
            Self::Python => &["py"],
        }
    }
}

impl FoundHandler {
    /// Looks at the folder for what the settings leave open. The error is a sentence without full
    /// stop.
    pub(super) fn find(code: &HandlerCode) -> Result<Self, String> {
        if !code.folder.is_dir() {
            return Err(format!("there is no folder {}", code.folder.display()));
        }
        match &code.handler {
            Some(handler) => Self::named(code, handler),
            None => Self::guessed(code),
        }
    }

    /// A module of Python may be a package, whose folder has dots for slashes; so where the settings
    /// name the runtime too, its client finds out whether there is such a file.
    fn named(code: &HandlerCode, handler: &str) -> Result<Self, String> {
        let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module);
        let found = [HandlerRuntime::Node, HandlerRuntime::Python]
            .into_iter()
            .find(|runtime| has_module(&code.folder, module, *runtime));
        let runtime = code.runtime.or(found).ok_or_else(|| {
            format!("{} has no file for the handler `{handler}`", code.folder.display())
        })?;
        Ok(Self { runtime, handler: handler.to_owned(), is_guessed: false })
    }

    fn guessed(code: &HandlerCode) -> Result<Self, String> {
        let fits = |(runtime, module, _): &&(HandlerRuntime, &str, &str)| {
            code.runtime.is_none_or(|one| one == *runtime)
                && has_module(&code.folder, module, *runtime)
        };
        let (runtime, module, export) = USUAL.iter().find(fits).ok_or_else(|| {
            format!(
                "{} has none of index.mjs, index.js, app.py and lambda_function.py",
                code.folder.display()
            )
        })?;
        Ok(Self { runtime: *runtime, handler: format!("{module}.{export}"), is_guessed: true })
    }
}

fn has_module(folder: &Path, module: &str, runtime: HandlerRuntime) -> bool {
    let dotted = module.replace('.', "/");
    let is_there = |extension: &&str| {
        [module, &dotted].iter().any(|one| folder.join(format!("{one}.{extension}")).is_file())
    };
    runtime.extensions().iter().any(is_there)
}

/// What consoles and templates of AWS call handlers.
const USUAL: &[(HandlerRuntime, &str, &str)] = &[
    (HandlerRuntime::Node, "index", "handler"),
    (HandlerRuntime::Python, "app", "handler"),
    (HandlerRuntime::Python, "lambda_function", "lambda_handler"),
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn find(files: &[&str], handler: Option<&str>) -> Result<(HandlerRuntime, String), String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, "").expect("written");
        }
        let handler = handler.map(str::to_owned);
        let code = HandlerCode { folder: folder.path().to_owned(), handler, runtime: None };
        FoundHandler::find(&code).map(|found| (found.runtime, found.handler))
    }

    #[test]
    fn the_folder_decides_what_is_left_open() {
        let (node, python) = (HandlerRuntime::Node, HandlerRuntime::Python);
        for (files, runtime, handler) in [
            (&["index.mjs"][..], node, "index.handler"),
            (&["index.js", "app.py"], node, "index.handler"),
            (&["app.py"], python, "app.handler"),
            (&["lambda_function.py", "other.js"], python, "lambda_function.lambda_handler"),
        ] {
            assert_eq!(find(files, None), Ok((runtime, handler.to_owned())), "{files:?}");
        }
        let said = find(&["main.go"], None).expect_err("nothing that runs");
        assert!(said.contains("none of index.mjs"), "{said}");
    }

    #[test]
    fn a_named_handler_leads_to_its_file() {
        let (node, python) = (HandlerRuntime::Node, HandlerRuntime::Python);
        for (files, handler, runtime) in [
            (&["src/api.js"][..], "src/api.get", node),
            (&["src/api.py", "index.js"], "src.api.get", python),
            (&["main.cjs"], "main.run", node),
        ] {
            let found = find(files, Some(handler));
            assert_eq!(found, Ok((runtime, handler.to_owned())), "{files:?}");
        }
        assert!(find(&["index.js"], Some("other.handler")).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let code = HandlerCode { folder: "/nowhere/at/all".into(), handler: None, runtime: None };
        let said = FoundHandler::find(&code).expect_err("no folder");
        assert!(said.contains("/nowhere/at/all"), "{said}");
    }
}
