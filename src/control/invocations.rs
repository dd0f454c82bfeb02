//! Makes the calls of `TestInvokeMethod`: a plan of its own for each, tried apart from the shards.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::deploy::{BootFacts, InvocationPlan};
use super::management::{Invocation, Invoked};
use super::reload::Reloader;
use super::{HickoryResolver, TargetWatch};
use crate::coord::{TargetBoard, Trial, TrialReport};
use crate::observe::Metrics;

/// How a trial is served: whoever puts the process together knows.
pub type TryRequest = Arc<dyn Fn(Trial) -> io::Result<TrialReport> + Send + Sync>;

/// Makes the call to its end. Blocks; to be called on a thread for that, of the side thread's
/// runtime. The error says what kept it from being made.
pub(crate) fn invoke(
    invocation: &Invocation,
    reloader: &Mutex<Reloader>,
    try_request: &TryRequest,
) -> Result<Invoked, String> {
    let (base, deployments, boot, functions) = {
        let reloader = reloader.blocking_lock();
        let boot = BootFacts::of(&reloader.configuration().model);
        let functions = Arc::clone(&reloader.invoker);
        (Arc::clone(&reloader.base), reloader.deployments.clone(), boot, functions)
    };
    let InvocationPlan { plan, scheme } = deployments.plan_of(invocation, &base, &boot)?;
    let targets = Arc::new(TargetBoard::new());
    let mut names = TargetWatch::new(HickoryResolver::system(), Arc::clone(&targets), |_| {});
    let unresolved = Handle::current().block_on(names.watch(&plan.groups, LOOKUP_PATIENCE));
    for name in unresolved {
        tracing::warn!(group = name.group, host = name.host, "a name has no address");
    }
    let mut metrics = Metrics::new(1);
    metrics.prepare(&plan);
    let metrics = metrics.shard(0).ok_or("there are no counters")?;
    let (plan, request) = (Arc::new(plan), invocation.request());
    let trial = Trial { plan, metrics, targets, functions, request };
    let (started, began) = (SystemTime::now(), Instant::now());
    let report = try_request(trial).map_err(|error| format!("the call failed: {error}"))?;
    Ok(Invoked { report, scheme, started, latency: began.elapsed() })
}

/// How long the endpoint's name may take to be found.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(5);
