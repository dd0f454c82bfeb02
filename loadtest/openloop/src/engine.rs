//! The schedule and the connections: one thread, one epoll.
//!
//! Invariant: request `n` is due at `start + n / rate`, whatever happened to those before it, and
//! its latency runs from there.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::answer::{Answer, Done};

/// What to send where, how fast, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    pub(crate) bodiless: bool,
    pub(crate) rate_per_second: f64,
    pub(crate) connections_count: usize,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) grace: Duration,
}

/// What came of it. Histograms are in nanoseconds, of requests that were due after the warm-up.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From due to answered; requests that got no answer count with the time they have waited.
    pub(crate) latency: Histogram<u64>,
    /// From sent to answered: what a closed-loop generator would see.
    pub(crate) service: Histogram<u64>,
    /// From due to sent: how late this generator was, for want of CPU or of a free connection.
    pub(crate) lateness: Histogram<u64>,
    pub(crate) sent_count: u64,
    pub(crate) answered_count: u64,
    /// Answers with a status of 400 or more.
    pub(crate) error_status_count: u64,
    /// Requests whose connection broke, or whose answer was malformed.
    pub(crate) broken_count: u64,
    /// Requests without an answer when the grace ended.
    pub(crate) unanswered_count: u64,
    /// Connections made anew after one had ended.
    pub(crate) reconnects_count: u64,
}

/// Runs `plan` to its end. An error is one of the first connections; later ones are counted.
pub(crate) fn run(plan: &Plan) -> io::Result<Outcome> {
    Engine::connect(plan)?.run()
}

struct Engine<'a> {
    plan: &'a Plan,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Connections without a request, the one that has waited longest first.
    idle: VecDeque<usize>,
    start: Instant,
    /// The next request of the schedule.
    next_index: u64,
    end_index: u64,
    warm_index: u64,
    outcome: Outcome,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    answer: Answer,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// A request is under way; `unsent_bytes` of it did not fit the socket yet.
    Busy {
        index: u64,
        sent: Instant,
        unsent_bytes: usize,
    },
}

impl<'a> Engine<'a> {
    fn connect(plan: &'a Plan) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(plan.connections_count);
        for index in 0..plan.connections_count {
            connections.push(Connection::open(plan, &epoll, index)?);
        }
        let requests_in = |span: Duration| (span.as_secs_f64() * plan.rate_per_second) as u64;
        let warm_index = requests_in(plan.warmup);
        Ok(Self {
            plan,
            epoll,
            connections,
            idle: (0..plan.connections_count).collect(),
            start: Instant::now(),
            next_index: 0,
            end_index: warm_index + requests_in(plan.duration).max(1),
            warm_index,
            outcome: Outcome::new(),
            buffer: vec![0; 256 * 1024],
        })
    }

    fn run(mut self) -> io::Result<Outcome> {
        let mut events = Vec::with_capacity(256);
        self.start = Instant::now();
        let cutoff = self.due(self.end_index) + self.plan.grace;
        loop {
            self.send_due();
            if self.is_done() || Instant::now() >= cutoff {
                self.count_unanswered();
                return Ok(self.outcome);
            }
            let timeout =
                timespec(self.wait_until(cutoff).saturating_duration_since(Instant::now()));
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.on_event(event.data.u64() as usize, event.flags);
            }
        }
    }

    fn due(&self, index: u64) -> Instant {
        self.start + Duration::from_secs_f64(index as f64 / self.plan.rate_per_second)
    }

    fn is_done(&self) -> bool {
        self.next_index == self.end_index && self.idle.len() == self.connections.len()
    }

    fn wait_until(&self, cutoff: Instant) -> Instant {
        if self.next_index < self.end_index && !self.idle.is_empty() {
            self.due(self.next_index).min(cutoff)
        } else {
            cutoff
        }
    }

    /// Sends what is due, as far as connections are free.
    fn send_due(&mut self) {
        while self.next_index < self.end_index {
            let (due, now) = (self.due(self.next_index), Instant::now());
            if due > now {
                return;
            }
            let Some(at) = self.idle.pop_front() else { return };
            let index = self.next_index;
            self.next_index += 1;
            if index >= self.warm_index {
                self.outcome.sent_count += 1;
                record(&mut self.outcome.lateness, now - due);
            }
            let unsent_bytes = self.plan.request.len();
            self.connections[at].state = State::Busy { index, sent: now, unsent_bytes };
            self.write(at);
        }
    }

    fn on_event(&mut self, at: usize, flags: epoll::EventFlags) {
        if flags.contains(epoll::EventFlags::OUT) {
            self.write(at);
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            self.read(at);
        }
    }

    fn write(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let State::Busy { index, sent, mut unsent_bytes } = connection.state else { return };
        let had_to_wait = unsent_bytes < self.plan.request.len();
        while unsent_bytes > 0 {
            let start = self.plan.request.len() - unsent_bytes;
            match connection.stream.write(&self.plan.request[start..]) {
                Ok(bytes) => unsent_bytes -= bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.on_broken(at),
            }
        }
        connection.state = State::Busy { index, sent, unsent_bytes };
        if unsent_bytes > 0 || had_to_wait {
            let flags = interest(unsent_bytes > 0);
            let data = epoll::EventData::new_u64(at as u64);
            if epoll::modify(&self.epoll, &connection.stream, data, flags).is_err() {
                self.on_broken(at);
            }
        }
    }

    fn read(&mut self, at: usize) {
        loop {
            let connection = &mut self.connections[at];
            let bytes = match connection.stream.read(&mut self.buffer) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.on_broken(at),
            };
            if bytes == 0 {
                return match connection.answer.end() {
                    Some(done) => self.on_answer(at, done),
                    None => self.on_broken(at),
                };
            }
            if matches!(connection.state, State::Idle) {
                return self.on_broken(at);
            }
            match connection.answer.take(&self.buffer[..bytes]) {
                Ok(Some(done)) => return self.on_answer(at, done),
                Ok(None) if bytes < self.buffer.len() => return,
                Ok(None) => {}
                Err(_) => return self.on_broken(at),
            }
        }
    }

    fn on_answer(&mut self, at: usize, done: Done) {
        let connection = &mut self.connections[at];
        let State::Busy { index, sent, unsent_bytes } = connection.state else { return };
        connection.state = State::Idle;
        connection.answer.reset();
        let now = Instant::now();
        if index >= self.warm_index {
            let due = self.due(index);
            record(&mut self.outcome.latency, now - due);
            record(&mut self.outcome.service, now - sent);
            self.outcome.answered_count += 1;
            self.outcome.error_status_count += u64::from(done.status >= 400);
        }
        // An answer that came before its request was sent leaves a rest that nobody expects.
        if done.reusable && unsent_bytes == 0 {
            self.idle.push_back(at);
        } else {
            self.reconnect(at);
        }
    }

    /// The connection broke. A busy one failed its request; an idle one may end at any time.
    fn on_broken(&mut self, at: usize) {
        if let State::Busy { index, .. } = self.connections[at].state {
            if index >= self.warm_index {
                self.outcome.broken_count += 1;
                let waited = self.due(index).elapsed();
                record(&mut self.outcome.latency, waited);
            }
        } else {
            self.idle.retain(|idle| *idle != at);
        }
        self.reconnect(at);
    }

    /// Opens a connection in place of one that ended. It blocks, but on a loopback or local
    /// network that is short, and the schedule makes it count.
    fn reconnect(&mut self, at: usize) {
        self.outcome.reconnects_count += 1;
        match Connection::open(self.plan, &self.epoll, at) {
            Ok(connection) => {
                self.connections[at] = connection;
                self.idle.push_back(at);
            }
            Err(_) => {
                // A server that refuses connections fails the next request of this place too: the
                // old stream stays, and its next write fails.
                let stream = &self.connections[at].stream;
                let _ = stream.shutdown(Shutdown::Both);
                let _ = epoll::delete(&self.epoll, stream);
                self.connections[at].state = State::Idle;
                self.idle.push_back(at);
            }
        }
    }

    fn count_unanswered(&mut self) {
        let busy = self.connections.iter().filter_map(|connection| match connection.state {
            State::Busy { index, .. } => Some(index),
            State::Idle => None,
        });
        let unsent = self.next_index..self.end_index;
        for index in busy.chain(unsent).collect::<Vec<_>>() {
            if index >= self.warm_index {
                self.outcome.unanswered_count += 1;
                let waited = self.due(index).elapsed();
                record(&mut self.outcome.latency, waited);
            }
        }
    }
}

impl Connection {
    fn open(plan: &Plan, epoll: &OwnedFd, at: usize) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&plan.address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(at as u64), interest(false))?;
        Ok(Self { stream, answer: Answer::new(plan.bodiless), state: State::Idle })
    }
}

impl Outcome {
    fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, 86_400_000_000_000, 3).expect("the bounds are in order")
        };
        Self {
            latency: histogram(),
            service: histogram(),
            lateness: histogram(),
            sent_count: 0,
            answered_count: 0,
            error_status_count: 0,
            broken_count: 0,
            unanswered_count: 0,
            reconnects_count: 0,
        }
    }
}

fn interest(writing: bool) -> epoll::EventFlags {
    if writing { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN }
}

fn record(histogram: &mut Histogram<u64>, span: Duration) {
    histogram.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// A server that hands each connection to `serve`.
    fn server(serve: impl Fn(BufReader<TcpStream>) + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let serve = std::sync::Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = serve.clone();
                thread::spawn(move || serve(BufReader::new(stream)));
            }
        });
        address
    }

    fn skip_head(reader: &mut BufReader<TcpStream>) -> bool {
        let mut line = String::new();
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) if line == "\r\n" => return true,
                Ok(_) => {}
            }
        }
    }

    fn plan(address: SocketAddr, requests: u64) -> Plan {
        Plan {
            address,
            request: b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            bodiless: false,
            rate_per_second: 1_000.0,
            connections_count: 2,
            warmup: Duration::ZERO,
            duration: Duration::from_millis(requests),
            grace: Duration::from_secs(60),
        }
    }

    #[test]
    fn every_request_of_the_schedule_is_answered() {
        let address = server(|mut reader| {
            while skip_head(&mut reader) {
                reader.get_mut().write_all(ANSWER).expect("sent");
            }
        });
        let plan = Plan { warmup: Duration::from_millis(20), ..plan(address, 100) };
        let outcome = run(&plan).expect("connected");
        assert_eq!((outcome.sent_count, outcome.answered_count), (100, 100));
        assert_eq!(outcome.latency.len(), 100, "the warm-up does not count");
        assert_eq!(outcome.broken_count + outcome.unanswered_count + outcome.reconnects_count, 0);
    }

    /// A stall of the server is in the latency of all requests that fell due meanwhile, not of one.
    #[test]
    fn a_stall_counts_for_every_request_that_was_due() {
        let address = server(|mut reader| {
            let mut stalled = false;
            while skip_head(&mut reader) {
                if !std::mem::replace(&mut stalled, true) {
                    thread::sleep(Duration::from_millis(200));
                }
                reader.get_mut().write_all(ANSWER).expect("sent");
            }
        });
        let outcome = run(&plan(address, 300)).expect("connected");
        assert_eq!(outcome.answered_count, 300);
        // Two connections stall for 200 ms: a closed-loop generator would see two slow answers.
        let slow = outcome.latency.count_between(50_000_000, u64::MAX);
        assert!(slow >= 100, "{slow} slow requests");
        assert!(outcome.service.count_between(150_000_000, u64::MAX) <= outcome.latency.len());
        assert!(outcome.lateness.max() >= 50_000_000, "they waited for a free connection");
    }

    #[test]
    fn broken_and_missing_answers_are_counted_and_keep_their_time() {
        let address = server(|mut reader| {
            skip_head(&mut reader);
        });
        let outcome = run(&plan(address, 10)).expect("connected");
        assert_eq!((outcome.broken_count, outcome.answered_count), (10, 0));
        assert_eq!(outcome.latency.len(), 10);

        let address = server(|mut reader| while skip_head(&mut reader) {});
        let plan = Plan { grace: Duration::from_millis(50), ..plan(address, 10) };
        let outcome = run(&plan).expect("connected");
        assert_eq!((outcome.unanswered_count, outcome.answered_count), (10, 0));
        assert_eq!(outcome.sent_count, 2, "both connections wait for their first answer");
        assert!(outcome.latency.min() >= 50_000_000);
    }

    #[test]
    fn a_server_that_goes_away_fails_every_request() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let accepted = [listener.accept(), listener.accept()];
            drop(listener);
            drop(accepted);
        });
        let outcome = run(&plan(address, 40)).expect("connected");
        assert_eq!((outcome.broken_count, outcome.answered_count), (40, 0));
        assert_eq!(outcome.unanswered_count, 0);
    }

    #[test]
    fn closing_answers_and_error_statuses_are_told_apart() {
        let address = server(|mut reader| {
            skip_head(&mut reader);
            let answer = b"HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            reader.get_mut().write_all(answer).expect("sent");
        });
        let outcome = run(&plan(address, 20)).expect("connected");
        assert_eq!((outcome.answered_count, outcome.error_status_count), (20, 20));
        assert!(outcome.reconnects_count >= 20);
        assert_eq!(outcome.broken_count, 0);
    }
}
