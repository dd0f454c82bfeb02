//! The table at the end of a run: criterion's medians from its files, instructions and allocations
//! from a second run under callgrind.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::Case;

/// The argument that makes this program count instead of time; how many rounds, and the cases,
/// follow.
pub(crate) const COUNT: &str = "--count";

/// What callgrind and the allocator counted for one call.
#[derive(Clone, Copy, Debug)]
struct Counts {
    instructions: u64,
    allocations: u64,
}

/// Where criterion keeps its files: beside the folder of the profile.
pub(crate) fn criterion_folder() -> PathBuf {
    let program = env::current_exe().expect("this program has a path");
    let target = program.ancestors().nth(3).expect("it lies in target/PROFILE/deps");
    target.join("criterion")
}

/// Prints the table of these cases. Says so where there is no valgrind.
pub(crate) fn print(timed: &[Case]) {
    let mut counts = HashMap::new();
    for run in timed.chunk_by(|one, other| one.part == other.part) {
        match count(run) {
            Ok(counted) => counts.extend(counted),
            Err(error) => eprintln!("{}: instructions were not counted: {error}", run[0].part),
        }
    }
    println!("\n| cost of one | ns, median | instructions | allocations |");
    println!("| --- | ---: | ---: | ---: |");
    for case in timed {
        let per_item = |number: u64| number as f64 / (case.calls() * case.items) as f64;
        let median = median_ns(&case.id()).map(|nanos| figure(nanos / case.items as f64));
        let counts = counts.get(&case.id());
        let instructions = counts.map(|counts: &Counts| figure(per_item(counts.instructions)));
        let allocations = counts.map(|counts| figure(per_item(counts.allocations)));
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let cells = [cell(median), cell(instructions), cell(allocations)];
        println!("| {} | {} |", case.id(), cells.join(" | "));
    }
}

/// Three digits and no more, for these numbers have no more.
fn figure(number: f64) -> String {
    let decimals = if number == 0.0 || number >= 100.0 { 0 } else { 2 };
    format!("{number:.decimals$}")
}

fn median_ns(id: &str) -> Option<f64> {
    let path = criterion_folder().join(id).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    estimates.pointer("/median/point_estimate")?.as_f64()
}

/// Counts these cases of one part, all on the thread that calls or all on another.
fn count(cases: &[Case]) -> Result<HashMap<String, Counts>, String> {
    if cases.iter().all(|case| !case.is_on_other_thread) {
        return count_own_thread(cases);
    }
    cases.iter().map(|case| Ok((case.id(), count_other_thread(case)?))).collect()
}

/// All cases in one run: callgrind writes two files for each, of what came before it and its own.
fn count_own_thread(cases: &[Case]) -> Result<HashMap<String, Counts>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let counted = run_counted(folder.path(), 1, cases)?;
    let counts = (1..).zip(counted).map(|(number, (id, allocations))| {
        let instructions = total(folder.path(), &format!("counts.{}-01", 2 * number))?;
        Ok((id, Counts { instructions, allocations }))
    });
    counts.collect()
}

/// Callgrind writes the counts of the thread that reaches a mark, and of all at the end. So what
/// another thread does is told by how much more it does when there is more to do.
fn count_other_thread(case: &Case) -> Result<Counts, String> {
    const ROUNDS_MORE: u64 = 4;
    let run = |rounds| {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let counted = run_counted(folder.path(), rounds, std::slice::from_ref(case))?;
        let (_, allocations) = counted.into_iter().next().ok_or("nothing was counted")?;
        let instructions = total(folder.path(), "counts-02")?;
        Ok::<_, String>(Counts { instructions, allocations })
    };
    let (few, many) = (run(1)?, run(1 + ROUNDS_MORE)?);
    let of_round = |few: u64, many: u64| many.saturating_sub(few) / ROUNDS_MORE;
    Ok(Counts {
        instructions: of_round(few.instructions, many.instructions),
        allocations: of_round(few.allocations, many.allocations),
    })
}

/// Runs cases under callgrind, which leaves its files in `folder`. Their names and allocations.
fn run_counted(folder: &Path, rounds: u64, cases: &[Case]) -> Result<Vec<(String, u64)>, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("valgrind");
    command
        // valgrind does not let other threads run while one waits in the ring.
        .env("SHARDGATE_TEST_DRIVER", "epoll")
        .args(["--tool=callgrind", "--quiet", "--separate-threads=yes"])
        .args(["--dump-before=*counting_begins*", "--dump-before=*counting_ends*"])
        .arg(format!("--callgrind-out-file={}", folder.join("counts").display()))
        .arg(program)
        .args([COUNT, &rounds.to_string()])
        .args(cases.iter().map(Case::id));
    let output = command.output().map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let counted = |line: &str| {
        let (id, allocations) = line.split_once(' ')?;
        Some((id.to_owned(), allocations.parse().ok()?))
    };
    text.lines().map(|line| counted(line).ok_or(format!("`{line}` is no count"))).collect()
}

/// The instructions in one of callgrind's files.
fn total(folder: &Path, name: &str) -> Result<u64, String> {
    let text = fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    let total = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    text.lines().rev().find_map(total).ok_or(format!("{name}: no totals"))
}
