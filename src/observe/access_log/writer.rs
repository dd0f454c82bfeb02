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

use crossbeam::channel::{self, Receiver, Sender};
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
        let counts = &self.shared.counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AccessLogCounts {
            lines_written: get(&counts.lines_written),
            bytes_written: get(&counts.bytes_written),
            lines_dropped: get(&counts.lines_dropped),
            write_errors: get(&counts.write_errors),
            reopens: get(&counts.reopens),
            batches_waiting: self.batches.len() as u64,
        }
    }

    /// Writes what was handed over and ends the thread. The shards' sinks are to be dropped
    /// before; what they hand over later is dropped. Waits for a stuck disk a bounded while.
    pub fn close(self) -> AccessLogCounts {
        self.end();
        self.counts()
    }

    fn end(&self) {
        let _ = self.commands.send(Command::Close);
        // An error means that the thread is gone already.
        let _ = self.ended.recv_timeout(CLOSE_WAIT);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
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
