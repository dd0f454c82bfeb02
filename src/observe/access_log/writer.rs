//! The one thread that writes the access log, and the handle that the side thread has of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender};
use crossbeam::queue::ArrayQueue;

use super::output::Output;
use super::sink::{BUFFER_BYTES, ShardLogSink};

/// Buffers that may wait for the disk, over all shards: 4 MiB, some tens of thousands of lines.
const QUEUE_BATCHES_MAX: usize = 64;
/// Empty buffers that are kept for the shards.
const SPARE_BUFFERS_MAX: usize = 64;
/// How long closing waits for the disk.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// A log holds addresses of people: its group may read it, others may not.
const FILE_MODE: u32 = 0o640;

/// The access log of the process: a thread that writes to a file.
///
/// The file is opened for appending and may be renamed at any time: after [`AccessLog::reopen`]
/// lines go to a new file of the old name, and each line is whole in one of the two.
#[derive(Debug)]
pub struct AccessLog {
    batches: Sender<Batch>,
    commands: Sender<Command>,
    ended: Receiver<()>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Whole lines of one shard.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) spare: ArrayQueue<Vec<u8>>,
    pub(super) counts: Counts,
}

/// Written per batch or per tick, never per line.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lines_written: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) lines_dropped: AtomicU64,
    pub(super) write_errors: AtomicU64,
    pub(super) reopens: AtomicU64,
}

impl Counts {
    fn read(&self, batches_waiting: u64) -> AccessLogCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AccessLogCounts {
            lines_written: get(&self.lines_written),
            bytes_written: get(&self.bytes_written),
            lines_dropped: get(&self.lines_dropped),
            write_errors: get(&self.write_errors),
            reopens: get(&self.reopens),
            batches_waiting,
        }
    }
}

/// What became of the lines so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AccessLogCounts {
    /// Lines in the file.
    pub lines_written: u64,
    /// Bytes in the file.
    pub bytes_written: u64,
    /// Lines that were lost, because the disk was slow or refused them.
    pub lines_dropped: u64,
    /// Failed writes and failed reopenings.
    pub write_errors: u64,
    /// Reopenings that succeeded.
    pub reopens: u64,
    /// Buffers of lines that wait for the disk.
    pub batches_waiting: u64,
}

#[derive(Debug)]
enum Command {
    Reopen,
    Close,
}

/// Opens the destination, at the start and at each reopening.
type Open = Box<dyn Fn() -> io::Result<Box<dyn Write + Send>> + Send>;

impl AccessLog {
    /// Opens `path` for appending, or standard output if it is `-`, and starts the thread.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let name = path.display().to_string();
        Self::start(name, Box::new(move || Ok(Box::new(open_file(&path)?))))
    }

    fn start(name: String, open: Open) -> io::Result<Self> {
        let output = Output::new(name, open()?);
        let (batches, waiting) = channel::bounded(QUEUE_BATCHES_MAX);
        let (commands, orders) = channel::unbounded();
        let (end, ended) = channel::bounded(1);
        let spare = ArrayQueue::new(SPARE_BUFFERS_MAX);
        let shared = Arc::new(Shared { spare, counts: Counts::default() });
        let writer = Writer { output, open, batches: waiting, orders, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || {
            writer.run();
            let _ = end.send(());
        })?;
        Ok(Self { batches, commands, ended, shared, thread: Some(thread) })
    }

    /// A sink for one shard. It may move to the shard's thread.
    #[must_use]
    pub fn shard_sink(&self) -> ShardLogSink {
        ShardLogSink::new(self.batches.clone(), Arc::clone(&self.shared))
    }

    /// Opens the path anew, before any line that is handed over later is written. Does not wait;
    /// if it fails, the old file stays in use, and the error is counted and told to the process
    /// log.
    pub fn reopen(&self) {
        let _ = self.commands.send(Command::Reopen);
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn counts(&self) -> AccessLogCounts {
        self.shared.counts.read(self.batches.len() as u64)
    }

    /// Writes what was handed over and ends the thread. The shards' sinks are to be dropped
    /// before; what they hand over later is dropped. Waits for a stuck disk a bounded while.
    pub fn close(self) -> AccessLogCounts {
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.counts.read(0)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Close);
        let is_stuck = self.ended.recv_timeout(CLOSE_WAIT) == Err(RecvTimeoutError::Timeout);
        if let Some(thread) = self.thread.take().filter(|_| !is_stuck) {
            let _ = thread.join();
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if path == Path::new("-") {
        // A descriptor of our own: std's handle has a lock and a buffer that splits at lines.
        return Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    }
    OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)
}

struct Writer {
    output: Output,
    open: Open,
    batches: Receiver<Batch>,
    orders: Receiver<Command>,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        loop {
            // Orders first: a reopening takes effect before what is handed over after it.
            channel::select_biased! {
                recv(self.orders) -> order => match order {
                    Ok(Command::Reopen) => self.reopen(),
                    Ok(Command::Close) | Err(_) => break,
                },
                recv(self.batches) -> batch => match batch {
                    Ok(batch) => self.write(batch),
                    Err(_) => break,
                },
            }
        }
        while let Ok(batch) = self.batches.try_recv() {
            self.write(batch);
        }
        self.output.give_up_torn(&self.shared.counts);
    }

    fn write(&mut self, batch: Batch) {
        self.output.write(&batch, &self.shared.counts);
        let mut buffer = batch.bytes;
        buffer.clear();
        // One huge line must not pin its memory for ever.
        if buffer.capacity() == BUFFER_BYTES {
            let _ = self.shared.spare.push(buffer);
        }
    }

    fn reopen(&mut self) {
        match (self.open)() {
            Ok(destination) => {
                self.output.replace(destination, &self.shared.counts);
                self.shared.counts.reopens.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.output.failed("reopen", &error, &self.shared.counts),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use super::*;
    use crate::base::Nanos;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn add(sink: &mut ShardLogSink, text: &str) {
        sink.line(|out| out.extend_from_slice(text.as_bytes()));
    }

    #[test]
    fn lines_of_all_shards_arrive_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&path).expect("a file");
        let shards: Vec<_> = (0..4)
            .map(|shard| {
                let mut sink = log.shard_sink();
                thread::spawn(move || {
                    for number in 0..5_000 {
                        add(&mut sink, &format!("{shard} {number} {}", "x".repeat(number % 90)));
                    }
                })
            })
            .collect();
        shards.into_iter().for_each(|shard| shard.join().expect("no panic"));
        let counts = log.close();
        // 4 * 5,000 lines are some 20 buffers: fewer than the queue holds, so none is dropped.
        assert_eq!((counts.lines_written, counts.lines_dropped), (20_000, 0));
        let mut next = [0; 4];
        for line in lines(&path) {
            let mut words = line.split(' ');
            let mut number =
                || words.next().and_then(|word| word.parse::<usize>().ok()).expect("a number");
            let (shard, number) = (number(), number());
            assert_eq!(number, next[shard], "in order");
            assert_eq!(words.next().map(str::len), Some(number % 90), "whole");
            next[shard] += 1;
        }
        assert_eq!(next, [5_000; 4]);
        assert_eq!(counts.bytes_written, fs::metadata(&path).expect("a file").len());
    }

    #[test]
    fn a_tick_hands_over_what_is_old_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = AccessLog::open(folder.path().join("log")).expect("a file");
        let mut sink = log.shard_sink();
        add(&mut sink, "one");
        sink.tick(Nanos::from_millis(1_000));
        sink.tick(Nanos::from_millis(1_199));
        assert!(log.batches.is_empty() && log.counts().lines_written == 0, "199 ms wait");
        sink.tick(Nanos::from_millis(1_200));
        drop(log);
        assert_eq!(lines(&folder.path().join("log")), ["one"]);
    }

    #[test]
    fn a_renamed_file_keeps_its_lines_and_a_new_one_gets_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let log = AccessLog::open(&path).expect("a file");
        let mut sink = log.shard_sink();
        for number in 0..3_000 {
            add(&mut sink, &format!("before {number}"));
        }
        sink.flush();
        fs::rename(&path, &old).expect("renamed");
        log.reopen();
        for number in 0..3_000 {
            add(&mut sink, &format!("after {number}"));
        }
        drop(sink);
        let counts = log.close();
        assert_eq!((counts.lines_written, counts.lines_dropped, counts.reopens), (6_000, 0, 1));
        let (old, new) = (lines(&old), lines(&path));
        assert!(old.iter().all(|line| line.starts_with("before ")));
        let all: Vec<String> = old.into_iter().chain(new).collect();
        let expected = (0..3_000).map(|number| format!("before {number}"));
        let expected = expected.chain((0..3_000).map(|number| format!("after {number}")));
        assert_eq!(all, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_reopening_that_fails_keeps_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inner, moved) = (folder.path().join("inner"), folder.path().join("moved"));
        fs::create_dir(&inner).expect("a folder");
        let log = AccessLog::open(inner.join("log")).expect("a file");
        fs::rename(&inner, &moved).expect("renamed");
        log.reopen();
        let mut sink = log.shard_sink();
        add(&mut sink, "still here");
        drop(sink);
        let counts = log.close();
        assert_eq!((counts.reopens, counts.write_errors, counts.lines_written), (0, 1, 1));
        assert_eq!(lines(&moved.join("log")), ["still here"]);
    }

    #[test]
    fn a_full_disk_loses_counted_lines_and_blocks_nobody() {
        let log = AccessLog::open("/dev/full").expect("the device");
        let mut sink = log.shard_sink();
        for _ in 0..100 {
            add(&mut sink, "lost");
        }
        drop(sink);
        let counts = log.close();
        assert_eq!((counts.lines_written, counts.lines_dropped), (0, 100));
        assert!(counts.write_errors >= 1);
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_an_error_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(AccessLog::open(folder.path()).is_err(), "a folder is no log");
        assert!(AccessLog::open(folder.path().join("missing/log")).is_err());
    }

    /// A destination that writes only while its lock is free.
    #[derive(Clone, Default)]
    struct Held(Arc<Mutex<Vec<u8>>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn while_the_disk_is_stuck_new_lines_are_dropped_unrendered() {
        let held = Held::default();
        let open = held.clone();
        let log = AccessLog::start("held".into(), Box::new(move || Ok(Box::new(open.clone()))))
            .expect("a thread");
        let mut sink = log.shard_sink();
        let line = "x".repeat(1_023);
        let (mut rendered, total) = (0_u64, 10_000_u64);
        {
            let _disk = held.0.lock().expect("not poisoned");
            for _ in 0..total {
                sink.line(|out| {
                    rendered += 1;
                    out.extend_from_slice(line.as_bytes());
                });
            }
            assert!(rendered < total, "the queue is bounded");
            assert!(rendered * 1_024 >= (QUEUE_BATCHES_MAX * (BUFFER_BYTES - 5 * 1_024)) as u64);
        }
        // The disk works again; the last buffer has room as soon as the first is written.
        while log.counts().batches_waiting == QUEUE_BATCHES_MAX as u64 {
            thread::yield_now();
        }
        drop(sink);
        let counts = log.close();
        assert_eq!(counts.lines_dropped, total - rendered);
        assert_eq!(counts.lines_written, rendered);
        assert_eq!(held.0.lock().expect("not poisoned").len() as u64, rendered * 1_024);
    }

    #[test]
    fn a_line_whose_rendering_panicked_leaves_nothing() {
        let held = Held::default();
        let open = held.clone();
        let log = AccessLog::start("held".into(), Box::new(move || Ok(Box::new(open.clone()))))
            .expect("a thread");
        let mut sink = log.shard_sink();
        add(&mut sink, "one");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sink.line(|out| {
                out.extend_from_slice(b"half");
                panic!("in the middle");
            });
        }));
        assert!(panicked.is_err());
        add(&mut sink, "two");
        drop(sink);
        log.close();
        assert_eq!(*held.0.lock().expect("not poisoned"), b"one\ntwo\n");
    }

    #[test]
    fn lines_after_the_close_are_counted_as_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = AccessLog::open(folder.path().join("log")).expect("a file");
        let mut sink = log.shard_sink();
        let shared = Arc::clone(&log.shared);
        log.close();
        add(&mut sink, "late");
        drop(sink);
        assert_eq!(shared.counts.lines_dropped.load(Ordering::Relaxed), 1);
    }
}
