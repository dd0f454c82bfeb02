//! Each bound of each key, as the schema states it: at it, below and above.

use serde_json::Value as Json;
use shardgate::settings;

/// A file with `line` in the table of this name.
fn file_with(table: &str, line: &str) -> String {
    let api_with = |route: &str| format!("{LISTENER}{UPSTREAM}{API}{route}");
    match table {
        "listener" => format!("{LISTENER}{line}\n{UPSTREAM}{API}{ROUTE}"),
        "upstream" => format!("{LISTENER}{UPSTREAM}{line}\n{API}{ROUTE}"),
        "retry" | "health" | "outlier" => {
            format!("{LISTENER}{UPSTREAM}[upstream.{table}]\n{line}\n{API}{ROUTE}")
        }
        "listener.tls" => {
            format!("{LISTENER}tls = {{ {line} }}\n{UPSTREAM}{API}{ROUTE}{DOMAIN}")
        }
        "target" => {
            let target = format!("targets = [{{ address = \"a:1\", {line} }}]\n");
            let upstream = UPSTREAM.replace("targets = [\"127.0.0.1:9000\"]\n", &target);
            format!("{LISTENER}{upstream}{API}{ROUTE}")
        }
        "api.route" => api_with(&format!("{ROUTE}{line}\n")),
        "mock" => api_with(&format!("[[api.route]]\nkey = \"GET /\"\nmock = {{ {line} }}\n")),
        "throttle" => {
            let other = if line.starts_with("rate") { "burst_count" } else { "rate_per_second" };
            super::small_file(&format!("[account]\nthrottle = {{ {line}, {other} = 1 }}"))
        }
        "acme" => {
            let needed = "storage_folder = \"/acme\"\nterms_agreed = true";
            super::small_file(&format!("[acme]\n{needed}\n{line}"))
        }
        "process.core" => {
            let core = if line.starts_with("core =") { "" } else { "core = 1\n" };
            super::small_file(&format!("[[process.core]]\n{core}{line}"))
        }
        "management.quotas" => {
            let store = "store = \"/state.redb\"";
            super::small_file(&format!("[management]\n{store}\n[{table}]\n{line}"))
        }
        "function" => super::small_file(&format!(
            "[management]\nstore = \"/state.redb\"\n[functions]\nconcurrency = 100_000\n\
             [[function]]\nname = \"orders\"\ncode = \"/orders\"\n{line}"
        )),
        _ => super::small_file(&format!("[{table}]\n{line}")),
    }
}

/// Settings of the same table that must stand in a certain order with the one under test.
fn companion(table: &str, key: &str) -> Option<&'static str> {
    Some(match (table, key) {
        ("limits", "request_line_bytes_max") => "head_bytes_max = 61_440",
        ("limits", "head_bytes_max") => "request_line_bytes_max = 64",
        ("health", "timeout_ms") => "interval_ms = 3_600_000",
        ("health", "interval_ms") => "timeout_ms = 1",
        ("health", "status_min") => "status_max = 599",
        ("health", "status_max") => "status_min = 100",
        ("outlier", "base_ejection_ms") => "ejection_ms_max = 86_400_000",
        ("outlier", "ejection_ms_max") => "base_ejection_ms = 1",
        _ => return None,
    })
}

#[test]
fn every_bound_holds_at_below_and_above() {
    let schema = settings::json_schema();
    let mut bounds_count = 0;
    for (table, definition) in schema["definitions"].as_object().expect("definitions") {
        for (key, property) in definition["properties"].as_object().expect("properties") {
            let Some((min, max)) = bound(property) else { continue };
            bounds_count += 1;
            let outcomes = [
                (min - 1, false),
                (min, true),
                (min + 1, true),
                (max - 1, true),
                (max, true),
                (max + 1, false),
            ];
            for (value, fits) in outcomes {
                let text = file_with(table, &format!("{key} = {value}"));
                let text = match companion(table, key) {
                    Some(line) => text
                        .replace(&format!("{key} = {value}"), &format!("{key} = {value}\n{line}")),
                    None => text,
                };
                check(&text, &format!("{table}.{key} = {value}"), fits, max);
            }
        }
    }
    assert!(bounds_count > 40, "{bounds_count}");
}

fn check(text: &str, place: &str, fits: bool, max: i128) {
    match super::parse(text) {
        Ok(_) => assert!(fits, "{place} is out of range"),
        Err(mistakes) => {
            assert!(!fits, "{place} is in range:\n{mistakes}");
            assert_eq!(mistakes.len(), 1, "{place}:\n{mistakes}");
            let message = mistakes.iter().next().expect("one").message.replace('_', "");
            assert!(message.contains(&format!(" to {max}")), "{place}: {message}");
        }
    }
}

fn bound(property: &Json) -> Option<(i128, i128)> {
    let number = |name: &str| property[name].as_u64().map(i128::from);
    Some((number("minimum")?, number("maximum")?))
}

#[test]
fn sizes_of_rings_are_powers_of_two_between_their_bounds() {
    for (entries, fits) in [
        (32, false),
        (63, false),
        (64, true),
        (65, false),
        (4_096, true),
        (32_767, false),
        (32_768, true),
        (65_536, false),
    ] {
        let text = super::small_file(&format!("[process]\nring_entries = {entries}"));
        assert_eq!(super::parse(&text).is_ok(), fits, "{entries}");
    }
}

#[test]
fn shards_are_a_word_a_count_or_a_list_of_cores() {
    for (shards, fits) in [
        ("\"auto\"", true),
        ("\"all\"", false),
        ("0", false),
        ("1", true),
        ("1_024", true),
        ("1_025", false),
        ("[]", false),
        ("[0]", true),
        ("[1_023]", true),
        ("[1_024]", false),
        ("[-1]", false),
        ("[0, 0]", false),
        ("[\"0\"]", false),
        ("true", false),
        ("1.0", false),
    ] {
        let text = super::small_file(&format!("[process]\nshards = {shards}"));
        assert_eq!(super::parse(&text).is_ok(), fits, "{shards}");
    }
}

const LISTENER: &str = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n";
const DOMAIN: &str = "[[domain]]\nnames = [\"a.b\"]\ncertificate_folder = \"/certificates\"\n";
const UPSTREAM: &str = "[[upstream]]\nname = \"backend\"\ntargets = [\"127.0.0.1:9000\"]\n";
const API: &str = "[[api]]\nname = \"orders\"\n";
const ROUTE: &str = "[[api.route]]\nkey = \"$default\"\nupstream = \"backend\"\n";
