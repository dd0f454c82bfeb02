//! Serves the one request of a trial, on a thread with a runtime of its own.
//!
//! It goes the way of all requests, from the bytes of a connection on; what differs is that nothing
//! of it is shared with the shards.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::housekeeping::http_date;
use crate::base::limits::TICK_MS;
use crate::coord::{TokenPools, Trial, TrialLog, TrialReport, TrialStep};
use crate::edge::serve_connection;
use crate::model::{Listener, ListenerAddress, ProxyProtocol};
use crate::pipeline::{ListenerContext, PlanSources, ShardPlan, ShardState};
use crate::plan::TlsPlan;
use crate::rt::{DriverChoice, Peer, RingOptions, Stream, now, run, sleep, spawn, unix_millis};
use crate::runtime::Runtimes;

/// Serves the trial to its end: the deadlines of the plan hold for it as for any request. Blocks.
pub fn try_request(trial: Trial) -> io::Result<TrialReport> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let Trial { plan, metrics, targets, functions, request } = trial;
    let serving = thread::Builder::new().name("trial".to_owned()).spawn(move || {
        run(DriverChoice::Epoll, RingOptions { entries: RING_ENTRIES }, |_| async move {
            let at = now();
            let recorder = metrics.recorder();
            let pools = TokenPools::new();
            let board = Arc::clone(functions.board());
            let runtimes = Runtimes::apart(functions);
            let sources = PlanSources {
                recorder: &recorder,
                pools: &pools,
                targets: &targets,
                functions: &board,
                runtimes: &runtimes,
                shards_count: 1,
                now: at,
                seed: random(),
            };
            let plan = ShardPlan::new(plan, None, &sources);
            let seed = [random(), random()];
            let mut state = ShardState::new(0, recorder, plan, Arc::default(), seed, 0, at);
            let log = Rc::new(TrialLog::default());
            state.trial = Some(Rc::clone(&log));
            serve(Rc::new(state), Stream::from_std_unix(theirs)?).await;
            Ok::<_, io::Error>(log.take())
        })?
    })?;
    let answer = exchange(&mut ours, &request);
    let served = serving.join().map_err(|_| io::Error::other("it panicked"))?;
    let steps: Vec<TrialStep> = served?;
    Ok(TrialReport { answer: answer?, steps })
}

/// Sends the request and takes the answer to its end.
fn exchange(stream: &mut UnixStream, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    // It may be refused before it is read whole: the answer says why.
    if stream.write_all(request).is_ok() {
        stream.shutdown(Shutdown::Write).or_else(|error| match error.kind() {
            io::ErrorKind::NotConnected => Ok(()),
            _ => Err(error),
        })?;
    }
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Serves one connection, with the tick that its deadlines need.
async fn serve(state: Rc<ShardState>, stream: Stream) {
    let listener = ListenerContext::new(listener(), None, &TlsPlan::default());
    let ended = Ended::default();
    let guard = ended.clone();
    let peer = Peer::Unix;
    tick(&state);
    let stream = stream.into();
    spawn(serve_connection(
        Rc::clone(&state),
        Rc::default(),
        stream,
        peer,
        Rc::new(listener),
        guard,
    ));
    while !ended.is_over() {
        sleep(Duration::from_millis(TICK_MS)).await;
        tick(&state);
    }
}

fn tick(state: &ShardState) {
    let (at, unix_ms) = (now(), unix_millis());
    state.deadlines.turn(at);
    state.set_wall_clock(unix_ms, at);
    state.set_http_date(http_date(UNIX_EPOCH + Duration::from_millis(unix_ms)));
}

/// Held by a connection for as long as it lives.
#[derive(Clone, Default)]
struct Ended(Rc<Cell<()>>);

impl Ended {
    fn is_over(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }
}

/// Where the request comes from: nowhere that the plan has a name for.
fn listener() -> Listener {
    Listener {
        name: "trial".to_owned(),
        address: ListenerAddress::Unix("trial".into()),
        dual_stack: false,
        reuse_port: false,
        backlog: 0,
        proxy_protocol: ProxyProtocol::Off,
        http2_prior_knowledge: false,
        trusted_proxies: Vec::new(),
        is_private: true,
        private_networks: Vec::new(),
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Of no use to epoll, which is the driver.
const RING_ENTRIES: u32 = 64;
