//! A short fuzzing run without a fuzzer: the laws of `tests/fuzz` hold for every seed of its corpus
//! and for some thousand mutations of each folder's seeds, the same ones on every run.
//!
//! Set `FUZZ_SMOKE_ROUNDS` for more mutations, `FUZZ_SMOKE_SEED` for others.

#[path = "fuzz/src/expr.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets' package exports them")]
mod expr;
#[path = "fuzz/src/lambda.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets' package exports them")]
mod lambda;
#[path = "fuzz/src/laws.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets' package exports them")]
mod laws;
#[path = "fuzz/src/runtime.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets' package exports them")]
mod runtime;
#[path = "fuzz/src/tls.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets' package exports them")]
mod tls;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use laws::{LAWS, Law};

const ROUNDS_DEFAULT: u64 = 4_000;

/// The seeds of one target, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.expect("a folder of files").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable seed"))
        })
        .collect();
    seeds.sort();
    seeds
}

fn check(target: &str, law: Law, input: &[u8], origin: &str) {
    let held = catch_unwind(AssertUnwindSafe(|| law(input)));
    assert!(held.is_ok(), "{target} broke its law on {origin}: {}", input.escape_ascii());
}

/// xorshift64: enough to choose places and bytes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// Bytes that parsers of text protocols trip over.
const TROUBLE: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"/",
    b"..",
    b"%2e",
    b"%2F",
    b"%",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"0",
    b"+1",
    b"0x1",
    b"ffffffffffffffff",
    b"chunked",
    b"\r\n\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b"+}",
    b"'''",
    b"|",
    b"$",
    b"${",
    b"$.",
    b"#",
    b"'",
    b"(",
    b"*",
    b"?",
    b"\x16\x03\x01\xff\xff",
    b"\x16\x03\x03\0\x04\x01\0\0\0",
    b"\x15\x03\x03\0\x02\x01\0",
    b"\x14\x03\x03\0\x01\x01",
    b"\x17\x03\x03\0\0",
];

fn mutate(dice: &mut Dice, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut input = seeds[dice.roll(seeds.len())].1.clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(input.len() + 1);
        let until = (at + dice.roll(9)).min(input.len());
        match dice.roll(6) {
            0 => drop(input.drain(at..until)),
            1 => drop(input.splice(at..until, TROUBLE[dice.roll(TROUBLE.len())].iter().copied())),
            2 => drop(input.splice(at..at, TROUBLE[dice.roll(TROUBLE.len())].iter().copied())),
            3 => drop(input.splice(at..at, input[at..until].to_vec())),
            4 => {
                let other = &seeds[dice.roll(seeds.len())].1;
                input.truncate(at);
                input.extend_from_slice(&other[dice.roll(other.len() + 1)..]);
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << dice.roll(8);
                }
            }
        }
    }
    input
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn laws_hold_for_every_seed() {
    for (target, law) in LAWS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 5, "{target} has only {} seeds", seeds.len());
        for (name, seed) in &seeds {
            check(target, law, seed, name);
        }
    }
}

#[test]
fn laws_hold_for_mutated_seeds() {
    let rounds = from_environment("FUZZ_SMOKE_ROUNDS").unwrap_or(ROUNDS_DEFAULT);
    let first = from_environment("FUZZ_SMOKE_SEED").unwrap_or(1);
    for (target, law) in LAWS {
        let seeds = seeds(target);
        let mut dice = Dice(first.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for round in 0..rounds {
            let input = mutate(&mut dice, &seeds);
            check(target, law, &input, &format!("mutation {round} of seed {first}"));
        }
    }
}
