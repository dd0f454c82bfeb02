//! What a machine can check of the architecture: the direction of imports, where `unsafe`, clocks,
//! locks and the runtime may appear, and that each file says what it owns.
//!
//! Reads the sources as tokens, comments and strings removed; no rule looks at text that the
//! compiler would not see. A rule that must be broken is broken in its table here, with the reason.

mod scan;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use scan::Source;

/// The modules from the foundation up, one row each: a module uses rows above its own only.
const ROWS: &[&str] = &[
    "base",
    "sys",
    "rt",
    "proto",
    "tls",
    "transport",
    "model",
    "http2",
    "expr",
    "lambda",
    "sign",
    "plan",
    "observe",
    "coord",
    "upstream",
    "runtime",
    "pipeline",
    "edge",
    "shard",
    "store",
    "function",
    "control",
    "settings",
    "cli",
];

/// Imports that the order of rows would allow and the design does not: the two planes meet in
/// `plan` and `coord`.
const FORBIDDEN_IMPORTS: &[(&str, &str)] = &[
    ("store", "upstream"),
    ("store", "runtime"),
    ("control", "runtime"),
    ("function", "runtime"),
    ("store", "pipeline"),
    ("store", "edge"),
    ("store", "shard"),
    ("control", "pipeline"),
    ("control", "edge"),
    ("control", "shard"),
    ("function", "pipeline"),
    ("function", "edge"),
    ("function", "shard"),
    ("function", "store"),
];

/// A token, or a sequence of them joined by `::`, that only files under some prefixes may hold.
/// With `::` at its end it is the root of a path, such as a crate.
struct Confined {
    token: &'static str,
    to: &'static [&'static str],
    reason: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        token: "unsafe",
        to: &["src/sys/"],
        reason: "unsafe lives in sys behind safe functions",
    },
    Confined {
        token: "monoio::",
        // What the cell exists for is monoio's trait.
        to: &["src/rt/", "src/sys/split_cell.rs"],
        reason: "rt is the only importer of the runtime",
    },
    Confined {
        token: "io_uring::",
        to: &["src/rt/", "src/sys/uring.rs", "src/sys/chunk_pool.rs"],
        reason: "sys::uring makes rings safe, and rt runs on them",
    },
    Confined { token: "Instant::now", to: CLOCKS, reason: "time comes in as base::Nanos" },
    Confined { token: "SystemTime::now", to: CLOCKS, reason: "time comes in as base::Nanos" },
    Confined {
        token: "tokio::",
        to: &[
            "src/control/",
            "src/cli/",
            "src/store/",
            "src/function/",
            // The traits alone, which h2 asks for; no runtime of tokio's is behind them.
            "src/http2/pipe.rs",
            // Runs on the side thread; a shard answers into its channel without waiting.
            "src/coord/publisher.rs",
            "src/coord/message.rs",
            // Channels that a shard sends to without waiting.
            "src/coord/functions.rs",
            "src/coord/functions/",
            // Answers through one, to who is no shard.
            "src/runtime/invocations.rs",
            "src/runtime/tests.rs",
        ],
        reason: "tokio runs on the side thread only",
    },
    Confined {
        token: "process::exit",
        to: &["src/cli/", "src/control/"],
        reason: "an exit elsewhere skips the drain",
    },
];

/// Who may read a clock: the runtime facade, and code that never runs on a shard.
const CLOCKS: &[&str] = &[
    "src/rt/",
    "src/control/",
    "src/store/",
    "src/function/",
    "src/cli/",
    // The log's writer thread stamps lines and rotates files.
    "src/observe/",
    // Waits on the side thread for the shards' answers.
    "src/coord/publisher.rs",
];

/// Folders whose code runs on a shard for each request: no lock, whatever crate it comes from.
const DATA_PLANE: &[&str] = &[
    "src/base/",
    "src/rt/",
    "src/proto/",
    "src/tls/",
    "src/expr/",
    "src/lambda/",
    "src/plan/",
    "src/upstream/",
    "src/pipeline/",
    "src/edge/",
    "src/shard/",
];

const LOCKS: &[&str] = &["Mutex", "RwLock", "Condvar"];

const FORBIDDEN_MACROS: &[&str] = &["todo", "dbg", "unimplemented"];

const FORBIDDEN_NOTES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

#[test]
fn modules_use_only_rows_above_their_own() {
    let mut wrong = String::new();
    for source in sources() {
        let Some(from) = source.module.first() else { continue };
        for import in source.imports() {
            if let Some(reason) = refused(from, &import.module) {
                let (path, line) = (source.path.display(), import.line);
                let _ = writeln!(wrong, "{path}:{line}: crate::{}: {reason}", import.module);
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the design:\n{wrong}");
}

/// Why a module of row `from` may not use the module `to`, if it may not.
fn refused(from: &str, to: &str) -> Option<String> {
    let row = |name| ROWS.iter().position(|one| *one == name);
    match (row(from), row(to)) {
        _ if from == to => None,
        (None, _) => Some(format!("`{from}` has no row in ROWS")),
        (_, None) => Some(format!("`{to}` has no row in ROWS")),
        _ if FORBIDDEN_IMPORTS.contains(&(from, to)) => {
            Some(format!("`{from}` and `{to}` meet in plan and coord only"))
        }
        (Some(from_row), Some(to_row)) => {
            (to_row > from_row).then(|| format!("`{to}` is a row below `{from}`"))
        }
    }
}

#[test]
fn every_module_has_a_row() {
    for source in sources() {
        if let Some(module) = source.module.first() {
            assert!(ROWS.contains(&module.as_str()), "{}: no row", source.path.display());
        }
    }
}

#[test]
fn confined_things_stay_where_they_belong() {
    let mut wrong = String::new();
    for source in sources() {
        for rule in CONFINED {
            if rule.to.iter().any(|prefix| source.path.starts_with(prefix)) {
                continue;
            }
            for line in source.lines_with(rule.token) {
                let (path, token, reason) = (source.path.display(), rule.token, rule.reason);
                let _ = writeln!(wrong, "{path}:{line}: `{token}`: {reason}");
            }
        }
    }
    assert!(wrong.is_empty(), "out of place:\n{wrong}");
}

#[test]
fn the_data_plane_takes_no_lock() {
    let mut wrong = String::new();
    for source in sources() {
        if !DATA_PLANE.iter().any(|prefix| source.path.starts_with(prefix)) {
            continue;
        }
        for lock in LOCKS {
            for line in source.lines_with_outside_tests(lock) {
                let _ = writeln!(wrong, "{}:{line}: `{lock}`", source.path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "locks in the data plane:\n{wrong}");
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = String::new();
    for source in sources() {
        for name in FORBIDDEN_MACROS {
            for line in source.lines_with_macro(name) {
                let _ = writeln!(wrong, "{}:{line}: `{name}!`", source.path.display());
            }
        }
        for note in FORBIDDEN_NOTES {
            for line in source.lines_with_note(note) {
                let _ = writeln!(wrong, "{}:{line}: `{note}`", source.path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "left unfinished:\n{wrong}");
}

/// `expect` says why it cannot fail; `unwrap` says nothing.
#[test]
fn unwrap_is_for_tests() {
    let mut wrong = String::new();
    for source in sources() {
        for line in source.lines_with_method_outside_tests("unwrap") {
            let _ = writeln!(wrong, "{}:{line}: `.unwrap()`", source.path.display());
        }
    }
    assert!(wrong.is_empty(), "unwrap outside tests:\n{wrong}");
}

#[test]
fn every_file_says_what_it_owns() {
    for source in sources() {
        assert!(
            source.starts_with_module_doc(),
            "{}: no `//!` at the head of the file",
            source.path.display()
        );
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found under {}", root.display());
    files.iter().map(|file| read(root, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let text = std::fs::read_to_string(file).expect("sources are readable UTF-8");
    Source::new(file.strip_prefix(root).expect("it was found under the root"), text)
}

/// A rule that cannot fail proves nothing: each is shown a source that breaks it.
mod rules_that_bite {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(Path::new(path), text.to_owned())
    }

    #[test]
    fn rows_have_a_direction() {
        assert_eq!(refused("edge", "proto"), None);
        assert_eq!(refused("edge", "edge"), None);
        assert!(refused("proto", "edge").is_some());
        assert!(refused("control", "shard").is_some());
        assert!(refused("shard", "control").is_some());
        assert!(refused("base", "nowhere").is_some());
    }

    #[test]
    fn imports_are_found_in_every_form() {
        let text = r#"
            //! Head. crate::comment
            use crate::base::Nanos;
            use crate::{model::{Api, Stage}, plan, rt::*};
            use super::super::edge::Driver;
            pub(crate) fn f() -> crate::coord::Epoch { let _ = "crate::string"; todo() }
            mod inner { use super::super::shard as own; use super::sibling; }
        "#;
        let source = source("src/proto/http1.rs", text);
        let found: Vec<_> = source.imports().into_iter().map(|one| one.module).collect();
        assert_eq!(found, ["base", "model", "plan", "rt", "edge", "coord", "proto", "proto"]);
    }

    #[test]
    fn super_leads_out_of_the_module_at_its_depth() {
        let modrs = source("src/proto/mod.rs", "use super::edge::Driver;");
        assert_eq!(modrs.imports()[0].module, "edge");
        let nested =
            source("src/proto/mod.rs", "mod a { mod b { use super::super::super::edge; } }");
        assert_eq!(nested.imports()[0].module, "edge");
        let own = source("src/proto/http1.rs", "use super::head::Head;");
        assert_eq!(own.imports()[0].module, "proto");
    }

    #[test]
    fn tokens_in_comments_and_strings_do_not_count() {
        let text = "//! unsafe\n/* unsafe /* unsafe */ */ const A: &str = r#\"unsafe\"#;\n\
                    const B: char = '\"'; fn f<'a>() { unsafe { g() } }";
        assert_eq!(source("src/rt/a.rs", text).lines_with("unsafe"), [3]);
        let clock = "let a = std::time::Instant::now();\nlet b = instant.now();";
        assert_eq!(source("src/rt/a.rs", clock).lines_with("Instant::now"), [1]);
        let roots = "use tokio::net;\nlet tokio = 1;\nuse other::tokio::net;\n::tokio::spawn(a);";
        assert_eq!(source("src/rt/a.rs", roots).lines_with("tokio::"), [1, 4]);
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let text = "fn f() { g.unwrap() }\n#[cfg(test)]\nmod tests {\n fn h() { { g.unwrap(); } }\n}\n\
                    fn i() { j.unwrap_or(1); k.unwrap() }";
        let source = source("src/rt/a.rs", text);
        assert_eq!(source.lines_with_method_outside_tests("unwrap"), [1, 6]);
    }

    #[test]
    fn macros_notes_and_missing_heads_are_found() {
        let text = "// TODO later\nfn f() { todo!() }\nfn todo() {}";
        let source = source("src/rt/a.rs", text);
        assert_eq!(source.lines_with_macro("todo"), [2]);
        assert_eq!(source.lines_with_note("TODO"), [1]);
        assert!(!source.starts_with_module_doc());
    }
}
