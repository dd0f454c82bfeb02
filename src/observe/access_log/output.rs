//! Where the lines go, and what happens to them when it refuses: whole lines or none.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use super::writer::{Batch, Counts};

/// How often and how long a destination that would block (a pipe that someone else made
/// non-blocking) is waited for.
const WOULD_BLOCK_WAIT: Duration = Duration::from_millis(1);
const WOULD_BLOCK_TRIES_MAX: u32 = 1_000;

/// An open destination.
///
/// # Invariants
///
/// - Lines that were begun are ended: the rest of a line that a full disk cut is written before
///   anything else.
pub(super) struct Output {
    name: String,
    destination: Box<dyn Write + Send>,
    /// The rest of a line whose begin is written, newline included.
    torn: Vec<u8>,
    /// Told to the process log once, not once per batch.
    is_failing: bool,
}

impl Output {
    pub(super) fn new(name: String, destination: Box<dyn Write + Send>) -> Self {
        Self { name, destination, torn: Vec::new(), is_failing: false }
    }

    /// Writes a batch. After an error its other lines are dropped; the next batch is a new try.
    pub(super) fn write(&mut self, batch: &Batch, counts: &Counts) {
        if !self.finish_torn(counts) {
            counts.lines_dropped.fetch_add(batch.lines, Relaxed);
            return;
        }
        let (written, result) = write_all(&mut self.destination, &batch.bytes);
        counts.bytes_written.fetch_add(written as u64, Relaxed);
        let Err(error) = result else {
            counts.lines_written.fetch_add(batch.lines, Relaxed);
            self.recovered();
            return;
        };
        self.failed("write to", &error, counts);
        let (before, after) = batch.bytes.split_at(written);
        let whole_lines = count_lines(before);
        let is_torn = before.last().is_some_and(|byte| *byte != b'\n');
        if is_torn {
            let rest = memchr::memchr(b'\n', after).map_or(after, |end| &after[..=end]);
            self.torn.extend_from_slice(rest);
        }
        counts.lines_written.fetch_add(whole_lines, Relaxed);
        let lost = batch.lines.saturating_sub(whole_lines + u64::from(is_torn));
        counts.lines_dropped.fetch_add(lost, Relaxed);
    }

    /// Goes on with a new destination. A torn line is ended in the old one.
    pub(super) fn replace(&mut self, destination: Box<dyn Write + Send>, counts: &Counts) {
        self.give_up_torn(counts);
        self.destination = destination;
    }

    /// Tries a last time to end a torn line, and else counts it as dropped.
    pub(super) fn give_up_torn(&mut self, counts: &Counts) {
        if !self.finish_torn(counts) {
            self.torn.clear();
            counts.lines_dropped.fetch_add(1, Relaxed);
        }
    }

    /// Counts an error, and tells the first of a row to the process log.
    pub(super) fn failed(&mut self, what: &str, error: &io::Error, counts: &Counts) {
        counts.write_errors.fetch_add(1, Relaxed);
        if !self.is_failing {
            tracing::error!(path = %self.name, %error, "cannot {what} the access log: lines are lost");
        }
        self.is_failing = true;
    }

    fn recovered(&mut self) {
        if self.is_failing {
            tracing::info!(path = %self.name, "the access log is written again");
        }
        self.is_failing = false;
    }

    fn finish_torn(&mut self, counts: &Counts) -> bool {
        if self.torn.is_empty() {
            return true;
        }
        let (written, result) = write_all(&mut self.destination, &self.torn);
        counts.bytes_written.fetch_add(written as u64, Relaxed);
        self.torn.drain(..written);
        match result {
            Ok(()) => {
                counts.lines_written.fetch_add(1, Relaxed);
                true
            }
            Err(error) => {
                self.failed("write to", &error, counts);
                false
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Output").field("name", &self.name).finish_non_exhaustive()
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[expect(clippy::disallowed_methods, reason = "this is the writer's own thread, not a shard")]
fn wait_for_room() {
    thread::sleep(WOULD_BLOCK_WAIT);
}

/// As `Write::write_all`, but says how much was written before the error.
fn write_all(destination: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let (mut written, mut tries) = (0, 0);
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match destination.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => (written, tries) = (written + count, 0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == ErrorKind::WouldBlock && tries < WOULD_BLOCK_TRIES_MAX =>
            {
                tries += 1;
                wait_for_room();
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;

    /// A disk that takes as many bytes per write as its script says; `None` is an error.
    #[derive(Clone, Default)]
    struct Disk {
        written: Arc<Mutex<Vec<u8>>>,
        script: Arc<Mutex<VecDeque<Option<usize>>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let step = self.script.lock().expect("not poisoned").pop_front();
            let Some(count_max) = step.unwrap_or(Some(usize::MAX)) else {
                return Err(ErrorKind::StorageFull.into());
            };
            let count = bytes.len().min(count_max.max(1));
            self.written.lock().expect("not poisoned").extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(lines: &[&str]) -> Batch {
        let bytes = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied();
        Batch { bytes: bytes.collect(), lines: lines.len() as u64 }
    }

    #[test]
    fn a_cut_line_is_ended_before_the_next_batch() {
        let disk = Disk::default();
        disk.script.lock().expect("free").extend([Some(6), None]);
        let (mut output, counts) =
            (Output::new("disk".into(), Box::new(disk.clone())), Counts::default());
        output.write(&batch(&["first", "second", "third"]), &counts);
        // "first\n" is whole: nothing is torn.
        assert_eq!(counts.lines_dropped.load(Relaxed), 2);
        disk.script.lock().expect("free").extend([Some(2), None, None]);
        output.write(&batch(&["fourth", "fifth"]), &counts);
        output.write(&batch(&["sixth"]), &counts);
        output.write(&batch(&["seventh"]), &counts);
        assert_eq!(*disk.written.lock().expect("free"), b"first\nfourth\nseventh\n");
        assert_eq!(counts.lines_written.load(Relaxed), 3);
        assert_eq!(counts.lines_dropped.load(Relaxed), 4);
        assert_eq!(counts.write_errors.load(Relaxed), 3);
    }

    proptest! {
        /// However the disk behaves, it holds whole lines only (once it works again), in order,
        /// and each line is counted once.
        #[test]
        fn lines_are_whole_or_lost_and_always_counted(
            sizes in proptest::collection::vec(proptest::collection::vec(0_usize..9, 1..5), 1..9),
            script in proptest::collection::vec(proptest::option::of(1_usize..12), 0..30),
            reopen_at in 0_usize..9,
        ) {
            let (disk, counts) = (Disk::default(), Counts::default());
            disk.script.lock().expect("free").extend(script);
            let mut output = Output::new("disk".into(), Box::new(disk.clone()));
            let mut all = Vec::new();
            for (index, sizes) in sizes.iter().enumerate() {
                let lines: Vec<String> =
                    sizes.iter().map(|size| format!("{}-{}", all.len(), "x".repeat(*size))).collect();
                let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
                output.write(&batch(&texts), &counts);
                all.extend(lines.clone());
                if index == reopen_at {
                    disk.script.lock().expect("free").clear();
                    output.replace(Box::new(disk.clone()), &counts);
                }
            }
            disk.script.lock().expect("free").clear();
            output.give_up_torn(&counts);
            let written = disk.written.lock().expect("free").clone();
            let written = String::from_utf8(written).expect("text");
            prop_assert!(written.is_empty() || written.ends_with('\n'));
            let mut left = all.iter();
            for line in written.lines() {
                prop_assert!(left.any(|one| one == line), "{line:?} is no line or out of order");
            }
            let told = counts.lines_written.load(Relaxed);
            prop_assert_eq!(told, written.lines().count() as u64);
            prop_assert_eq!(told + counts.lines_dropped.load(Relaxed), all.len() as u64);
            prop_assert_eq!(counts.bytes_written.load(Relaxed), written.len() as u64);
        }
    }
}
