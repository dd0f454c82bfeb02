//! What each part of a request costs: `cargo bench --bench costs`, with a filter behind `--`.
//!
//! Times are criterion's. Afterwards what was timed is run once more under callgrind, where there
//! is one, and a table of medians, instructions and allocations ends the run (`table`). The
//! allocator is the system's, so that allocations can be counted.

mod access_log;
mod balance;
mod function;
mod http1;
#[path = "../../tests/in_process/mod.rs"]
mod in_process;
mod measure;
mod pipeline;
mod router;
mod table;
mod throttle;

use std::env;

use in_process::counting::Counting;
use measure::Measure;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [table::COUNT, rounds, ..] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let rounds = rounds.parse().expect("`table` wrote a number");
        run_all(&mut Measure::count(rounds, &arguments[2..]));
        return;
    }
    let mut measure = Measure::time(table::criterion_folder());
    run_all(&mut measure);
    let measures = |argument: &String| argument == "--bench";
    let does_else = |argument: &String| {
        ["--test", "--list", "--profile-time"].iter().any(|one| argument.starts_with(one))
    };
    if arguments.iter().any(measures) && !arguments.iter().any(does_else) {
        table::print(measure.timed());
    }
}

fn run_all(measure: &mut Measure) {
    router::cases(measure);
    http1::cases(measure);
    throttle::cases(measure);
    access_log::cases(measure);
    balance::cases(measure);
    function::cases(measure);
    pipeline::cases(measure);
}
