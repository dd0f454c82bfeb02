//! Names in the pages exist in the program.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use shardgate::base::Fault;
use shardgate::observe::access_log::AccessLogFormat;
use shardgate::settings;

use super::pages::{for_users, page, repository};
use super::tables::metrics_text;

/// The longest names in `text` that begin with `mark`.
fn names_after<'t>(text: &'t str, mark: &str) -> BTreeSet<&'t str> {
    let is_end = |one: char| !(one.is_ascii_alphanumeric() || "._".contains(one));
    let starts = text.match_indices(mark).map(|(start, _)| start);
    starts
        .map(|start| {
            let rest = &text[start..];
            let begin = mark.len();
            let end = rest[begin..].find(is_end).map_or(rest.len(), |end| begin + end);
            rest[..end].trim_end_matches(['.', '_'])
        })
        .filter(|name| name.len() > mark.len())
        .collect()
}

#[test]
fn metrics_that_are_named_exist() {
    let metrics = metrics_text();
    let mut names_count = 0;
    for page in for_users() {
        for name in names_after(&page.text, "shardgate_") {
            names_count += 1;
            assert!(metrics.contains(&format!("# TYPE {name} ")), "{}: {name}", page.name);
        }
    }
    assert!(names_count > 40, "{names_count} names were found");
}

#[test]
fn variables_that_are_named_exist() {
    let mut names_count = 0;
    for page in for_users() {
        for name in names_after(&page.text, "$context.") {
            names_count += 1;
            let format = format!("$context.requestId {name}");
            let compiled = AccessLogFormat::compile(&format);
            assert!(compiled.is_ok(), "{}: {:?}", page.name, compiled.err());
        }
    }
    assert!(names_count > 20, "{names_count} names were found");
}

#[test]
fn causes_that_are_named_exist() {
    let causes = Fault::causes();
    for (name, needles) in [
        ("docs/throttling.md", ["throttled_route", "throttled_connection"]),
        ("docs/upstreams.md", ["no_healthy_target", "circuit_open"]),
        ("docs/routing.md", ["bad_target", "bad_target"]),
    ] {
        let words = page(name).code_words();
        for needle in needles {
            assert!(words.iter().any(|word| word == needle), "{name} no longer names {needle}");
            assert!(causes.contains(&needle), "{needle}");
        }
    }
}

/// Words that end in a unit are keys of the boot file, or metrics or causes that were looked at.
#[test]
fn settings_that_are_named_exist() {
    let schema = settings::json_schema();
    let tables = schema["definitions"].as_object().expect("definitions").values().chain([&schema]);
    let keys: BTreeSet<&str> = tables
        .filter_map(|table| table["properties"].as_object())
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect();
    let units = ["_ms", "_max", "_count", "_percent", "_per_second", "_timeout", "_key", "_status"];
    let mut names_count = 0;
    for page in for_users() {
        for word in page.code_words() {
            let is_key = word.bytes().all(|one| one.is_ascii_lowercase() || b"._".contains(&one))
                && !word.starts_with('_')
                && units.iter().any(|unit| word.ends_with(unit));
            let is_cause = Fault::causes().contains(&word.as_str());
            if !is_key || is_cause || word.starts_with("shardgate_") {
                continue;
            }
            names_count += 1;
            let name = word.rsplit('.').next().unwrap_or(&word);
            assert!(keys.contains(name), "{}: there is no key `{word}`", page.name);
        }
    }
    assert!(names_count > 25, "{names_count} names were found");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_shardgate")).arg("--help").output();
    let help = String::from_utf8(help.expect("it runs").stdout).expect("text");
    let (_, codes) = help.split_once("Exit codes:\n").expect("the help has them");
    let told: Vec<String> = codes
        .lines()
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(code, meaning)| format!("| {code} | {} |", meaning.replace('`', "")))
        .collect();
    assert!(told.len() >= 5, "{codes}");
    let page = page("docs/operations.md").text.replace('`', "");
    for line in told {
        assert!(page.contains(&line), "docs/operations.md lacks {line}");
    }
}

/// Module paths in the map (`shard::accept`, `edge::h1`) are files, or names in a file.
#[test]
fn modules_that_the_map_names_exist() {
    let source = repository().join("src");
    let mut names_count = 0;
    for word in page("src/ARCHITECTURE.md").code_words() {
        let word = word.trim_end_matches("()");
        let is_path = |part: &str| {
            !part.is_empty() && part.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'_')
        };
        let parts: Vec<&str> = word.split("::").collect();
        if parts.len() < 2 || !parts.iter().all(|part| is_path(part)) {
            continue;
        }
        names_count += 1;
        let mut module = source.clone();
        let mut left = &parts[..];
        while let Some((first, rest)) = left.split_first() {
            let next = module.join(first);
            if !next.is_dir() && !next.with_extension("rs").is_file() {
                break;
            }
            (module, left) = (next, rest);
        }
        assert!(module != source, "`{word}`: there is no module {}", parts[0]);
        let text = text_of(&module);
        for name in left {
            assert!(text.contains(name), "`{word}`: {} has no {name}", module.display());
        }
    }
    assert!(names_count > 30, "{names_count} names were found");
}

/// The text of a module's file, or of all files of its folder.
fn text_of(module: &std::path::Path) -> String {
    let file = module.with_extension("rs");
    if file.is_file() {
        return fs::read_to_string(file).expect("a readable file");
    }
    let entries = fs::read_dir(module).expect("a folder");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    paths
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap_or_default())
        .collect()
}
