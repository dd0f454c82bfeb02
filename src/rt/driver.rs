//! Chooses and starts the I/O driver of a shard: io_uring with the best flags that the kernel
//! takes, or epoll.

use std::fmt;
use std::future::Future;
use std::io;

use monoio::{LegacyDriver, RuntimeBuilder};

use super::ring::Ring;

/// What the settings ask for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DriverChoice {
    /// io_uring where the kernel allows it, else epoll.
    #[default]
    Auto,
    /// io_uring, or an error.
    IoUring,
    /// epoll.
    Epoll,
}

/// Size of a shard's ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingOptions {
    /// Submission queue entries, a power of two. The queue is flushed when it is full.
    pub entries: u32,
}

/// The driver that runs, and why not a better one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DriverReport {
    /// `io_uring` or `epoll`.
    pub name: &'static str,
    /// The ring set-up flags in force, in the kernel's names.
    pub flags: &'static [&'static str],
    /// What was tried first and refused, with the kernel's error.
    pub refused: Vec<String>,
}

impl fmt::Display for DriverReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)?;
        if !self.flags.is_empty() {
            write!(out, " ({})", self.flags.join(" + "))?;
        }
        if !self.refused.is_empty() {
            write!(out, "; refused: {}", self.refused.join(", "))?;
        }
        Ok(())
    }
}

/// Sets of flags from best to none: CPU per proxied request was 8.5 us with the first and 11.2 us
/// with the last when the design was measured. DEFER_TASKRUN came with Linux 6.1, SINGLE_ISSUER
/// with 6.0, COOP_TASKRUN with 5.19.
const FLAG_SETS: [&[&str]; 3] =
    [&["SINGLE_ISSUER", "DEFER_TASKRUN", "COOP_TASKRUN"], &["COOP_TASKRUN"], &[]];

fn ring_builder(flags: &[&str]) -> io_uring::Builder {
    let mut builder = io_uring::IoUring::builder();
    for flag in flags {
        match *flag {
            "SINGLE_ISSUER" => builder.setup_single_issuer(),
            "DEFER_TASKRUN" => builder.setup_defer_taskrun(),
            _ => builder.setup_coop_taskrun(),
        };
    }
    builder
}

/// The driver that [`run`] would choose on this thread, without running anything.
pub fn probe(choice: DriverChoice, options: RingOptions) -> io::Result<DriverReport> {
    Ok(choose(choice, options)?.1)
}

/// Builds the driver on this thread and runs `main` on it to its end. `main` is handed the report
/// of what was chosen.
pub fn run<F: Future>(
    choice: DriverChoice,
    options: RingOptions,
    main: impl FnOnce(DriverReport) -> F,
) -> io::Result<F::Output> {
    let (ring, report) = choose(choice, options)?;
    if let Some(ring) = ring {
        return ring.run(|| main(report));
    }
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new()
        .with_entries(options.entries)
        .enable_timer()
        .build()?;
    Ok(runtime.block_on(main(report)))
}

/// The best ring that the kernel gives, or none: then it is epoll.
fn choose(choice: DriverChoice, options: RingOptions) -> io::Result<(Option<Ring>, DriverReport)> {
    let mut refused = Vec::new();
    if choice != DriverChoice::Epoll {
        for flags in FLAG_SETS {
            match Ring::new(&mut ring_builder(flags), options.entries) {
                Ok((ring, refusal)) => {
                    let refusal = refusal.map(|error| format!("multishot reception: {error}"));
                    refused.extend(refusal);
                    return Ok((Some(ring), DriverReport { name: "io_uring", flags, refused }));
                }
                Err(error) => refused.push(refusal(flags, &error)),
            }
        }
        if choice == DriverChoice::IoUring {
            return Err(io::Error::other(format!("io_uring is refused: {}", refused.join(", "))));
        }
    }
    Ok((None, DriverReport { name: "epoll", flags: &[], refused }))
}

fn refusal(flags: &[&str], error: &io::Error) -> String {
    let flags = if flags.is_empty() { "no flags".to_owned() } else { flags.join(" + ") };
    format!("io_uring with {flags}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoll_is_had_when_asked_for_and_runs() {
        let ring = RingOptions { entries: 256 };
        let name = run(DriverChoice::Epoll, ring, |report| async move {
            crate::rt::yield_now().await;
            report.name
        });
        assert_eq!(name.expect("epoll runs everywhere"), "epoll");
    }
}
