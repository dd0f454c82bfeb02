//! Sends HTTP/1.1 requests at a constant rate, whatever the answers take, and measures each
//! latency from the instant at which its request was due.
//!
//! A closed-loop generator (wrk) waits for an answer before it sends the next request, so a server
//! that stalls is asked less while it stalls, and the stall counts once. Here the schedule is
//! fixed: requests that fall due during a stall wait, and their waiting counts.

mod answer;
mod arguments;
mod engine;
mod report;

use std::num::NonZeroU64;
use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match prepare(&arguments).and_then(|()| engine::run(&arguments.plan())) {
        Ok(outcome) => {
            let report = report::Report::new(&arguments, &outcome);
            println!("{}", if arguments.json { report.json() } else { report.text() });
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("openloop: {}: {error}", arguments.url);
            ExitCode::FAILURE
        }
    }
}

fn prepare(arguments: &Arguments) -> std::io::Result<()> {
    if let Some(core) = arguments.core {
        let mut cores = CpuSet::new();
        if core >= CpuSet::MAX_CPU {
            return Err(std::io::Error::other(format!("there is no core {core}")));
        }
        cores.set(core);
        sched_setaffinity(None, &cores)?;
    }
    // The kernel may wake a sleeper 50 us late to save power; that is longer than most answers.
    set_current_timer_slack(NonZeroU64::new(1))?;
    Ok(())
}
