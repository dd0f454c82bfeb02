//! The whole data path under random faults, by seed: a real shard in this process, clients that
//! pipeline, split, cut and vanish, targets that answer in pieces, break off, reset and talk
//! nonsense. What must hold whatever happens:
//!
//! - Each whole request gets exactly one answer, in order, with its own token and body, until the
//!   gateway has said that it closes the connection.
//! - Each request that reaches a target is one of the script, whole, with its own body.
//! - At the end every connection is closed, every buffer back in its stock but those of idle
//!   connections to targets, and nothing has panicked.
//!
//! The same seed makes the same script; how threads meet differs from run to run.
//! `SHARDGATE_SIMULATION_SEED=7` runs one seed, `SHARDGATE_SIMULATION_SEEDS=1000` that many.

mod client;
#[path = "../in_process/mod.rs"]
mod in_process;
mod message;
mod random;
mod script;
mod target;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::{env, thread};

use client::{Answered, play};
use in_process::OneShard;
use random::Random;
use target::Targets;

const SEEDS_COUNT: u64 = 30;

#[test]
fn every_request_gets_its_own_answer_whatever_happens() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SHARDGATE_SIMULATION_SEED") {
        run_or_panic(seed);
        return;
    }
    let mut total = Answered::default();
    for seed in 1..=number("SHARDGATE_SIMULATION_SEEDS").unwrap_or(SEEDS_COUNT) {
        let answered = run_or_panic(seed);
        total.whole += answered.whole;
        total.faults += answered.faults;
        total.cut += answered.cut;
    }
    eprintln!("{total:?}");
    assert!(total.whole > 0 && total.faults > 0 && total.cut > 0, "the scripts reach it all");
}

#[test]
fn the_same_seed_makes_the_same_script() {
    let script = |seed| format!("{:?}", script::clients(seed));
    assert_eq!(script(3), script(3));
    assert_ne!(script(3), script(4));
}

fn run_or_panic(seed: u64) -> Answered {
    run(seed).unwrap_or_else(|wrong| {
        panic!("seed {seed} (SHARDGATE_SIMULATION_SEED={seed} runs it alone):\n{wrong}")
    })
}

fn run(seed: u64) -> Result<Answered, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let targets = Arc::new(Targets::default());
    let mut random = Random::new(seed ^ 0xABCD);
    for name in ["a", "b"] {
        targets.start(&folder.path().join(format!("{name}.sock")), random.fork());
    }
    let shard = OneShard::start(folder.path(), &configuration(folder.path(), &mut random));
    let clients = script::clients(seed);
    let socket = shard.socket();
    let results: Vec<Result<Answered, String>> = thread::scope(|scope| {
        let play_all = |connections: Vec<script::Connection>| {
            scope.spawn(move || {
                connections.iter().map(|connection| play(socket, connection)).collect::<Vec<_>>()
            })
        };
        let players: Vec<_> = clients.into_iter().map(play_all).collect();
        players.into_iter().flat_map(|player| player.join().expect("no panic")).collect()
    });
    let counted = shard.end();
    let mut wrong: Vec<String> = targets.wrong();
    let mut total = Answered::default();
    for result in results {
        match result {
            Ok(answered) => {
                total.whole += answered.whole;
                total.faults += answered.faults;
                total.cut += answered.cut;
            }
            Err(what) => wrong.push(what),
        }
    }
    let value = |series: &str| counted.value(series);
    let ended = HashMap::from([
        ("panics", value("shardgate_panics_total")),
        ("connections", value("shardgate_connections{shard=\"0\"}")),
        ("head buffers", value("shardgate_buffers{shard=\"0\",kind=\"head\",state=\"taken\"}")),
        ("body buffers", value("shardgate_buffers{shard=\"0\",kind=\"body\",state=\"taken\"}")),
        ("outstanding", value("shardgate_upstream_requests_outstanding{group=\"backend\"}")),
    ]);
    wrong.extend(
        ended
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(what, count)| format!("{count} {what}")),
    );
    if wrong.is_empty() { Ok(total) } else { Err(wrong.join("\n")) }
}

fn configuration(folder: &Path, random: &mut Random) -> String {
    let balance = random.pick(&["round_robin", "least_outstanding", "power_of_two_choices"]);
    let kept = random.pick(&[0, 1, 256]);
    let target = |name: &str| format!("unix:{}", folder.join(format!("{name}.sock")).display());
    format!(
        r#"
[[upstream]]
name = "backend"
targets = ["{}", "{}"]
balance = "{balance}"
keepalive_connections_max = {kept}

[[api]]
name = "main"
throttle = {{ rate_per_second = 1000000, burst_count = 1000000 }}

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "ANY /old/{{id}}"
redirect = {{ location = "https://new.example{{path}}" }}

[[api.route]]
key = "ANY /target/{{id}}"
upstream = "backend"
"#,
        target("a"),
        target("b"),
    )
}
