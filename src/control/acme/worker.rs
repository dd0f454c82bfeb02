//! The task that orders: one domain after the other, each when it is due.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use instant_acme::Account;

use super::account;
use super::answers::Answers;
use super::error::AcmeError;
use super::https::Https;
use super::order::{self, KeyRequest};
use super::schedule::{Chance, DAY, Seconds, renewal, retry};
use super::state::AcmeStates;
use super::store::{StoreLock, keep_certificate};
use crate::coord::AcmeChallenges;
use crate::model::{Acme, AcmeChallenge};
use crate::tls::{
    Alpn, Certificate, CertificateFacts, CertificateFiles, Clock, SecurityPolicy, TlsProblem,
    UpstreamTls, UpstreamTlsOptions,
};

/// A domain whose certificate is ordered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ordered {
    /// All its names; at least one.
    pub(super) names: Vec<String>,
    /// Where its certificate is kept.
    pub(super) file: PathBuf,
}

/// What the task works with.
pub(super) struct Worker {
    pub(super) acme: Acme,
    pub(super) domains: Vec<Ordered>,
    pub(super) challenges: Arc<AcmeChallenges>,
    pub(super) states: Arc<AcmeStates>,
    pub(super) clock: Clock,
    pub(super) on_issued: Arc<dyn Fn() + Send + Sync>,
}

/// The task while it runs.
struct Running {
    worker: Worker,
    plans: Vec<Plan>,
    https: Option<Https>,
    account: Option<Account>,
    chance: Chance,
}

/// What is known of one domain's certificate.
#[derive(Clone, Debug, Default)]
struct Plan {
    due: Seconds,
    serial_number: Option<String>,
}

impl Worker {
    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let plans = vec![Plan::default(); self.domains.len()];
        let mut running =
            Running { worker: self, plans, https: None, account: None, chance: Chance::default() };
        for index in 0..running.plans.len() {
            running.look(index);
        }
        if running.worker.domains.iter().any(|domain| was_just_written(&domain.file)) {
            (running.worker.on_issued)();
        }
        loop {
            let Some((index, due)) = running.next() else { return };
            let wait = u64::try_from(due - running.worker.now()).unwrap_or(0);
            if wait > 0 {
                // The wall clock may be set meanwhile.
                tokio::time::sleep(Duration::from_secs(wait).min(LOOK_PERIOD)).await;
            } else {
                running.attend(index).await;
            }
        }
    }

    fn now(&self) -> Seconds {
        Seconds::try_from(self.clock.now().as_secs()).unwrap_or(Seconds::MAX)
    }
}

impl Running {
    /// The domain that is due first, and when.
    fn next(&self) -> Option<(usize, Seconds)> {
        let due = self.plans.iter().map(|plan| plan.due).enumerate();
        due.min_by_key(|(_, due)| *due)
    }

    fn plan(&mut self, index: usize, not_after: Option<Seconds>, due: Seconds) {
        self.plans[index].due = due;
        self.worker.states.planned(index, not_after, due);
    }

    /// Looks at what is in the storage: a certificate for all the names is due when it is to be
    /// renewed, anything else at once.
    fn look(&mut self, index: usize) {
        let Worker { domains, acme, clock, .. } = &self.worker;
        let now = self.worker.now();
        let facts = find_certificate(&domains[index], clock);
        let before = Seconds::from(acme.renew_before_days) * DAY;
        let due = match &facts {
            Some(facts) if domains[index].names.iter().all(|name| facts.covers(name)) => {
                renewal((facts.not_before, facts.not_after), before, self.chance.next())
            }
            _ => now,
        };
        self.plans[index].serial_number = facts.as_ref().map(|one| one.serial_number.clone());
        self.plan(index, facts.map(|facts| facts.not_after), due);
    }

    /// Orders a certificate for the domain, unless another process has done so meanwhile.
    async fn attend(&mut self, index: usize) {
        let lock = match StoreLock::try_take(&self.worker.acme.folder) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                self.plans[index].due = self.worker.now() + LOCK_PERIOD;
                return;
            }
            Err(error) => return self.fail(index, &error),
        };
        let before = self.plans[index].serial_number.clone();
        self.look(index);
        if self.plans[index].due > self.worker.now() {
            if self.plans[index].serial_number != before {
                (self.worker.on_issued)();
            }
            return;
        }
        match self.order(index).await {
            Ok(facts) => self.succeed(index, &facts),
            Err(error) => self.fail(index, &error),
        }
        drop(lock);
    }

    fn succeed(&mut self, index: usize, facts: &CertificateFacts) {
        self.worker.states.issued(index);
        self.look(index);
        let (due, now) = (self.plans[index].due, self.worker.now());
        // However short the life of certificates is, or wrong the clock.
        let due = due.max(now + ORDER_PERIOD_MIN);
        self.plan(index, Some(facts.not_after), due);
        tracing::info!(
            domain = self.worker.domains[index].names[0],
            issuer = facts.issuer,
            serial_number = facts.serial_number,
            days_left = (facts.not_after - now) / DAY,
            renewal_in_hours = (due - now) / 3_600,
            "a certificate was issued"
        );
        (self.worker.on_issued)();
    }

    /// Plans the next attempt. What is in the storage, and in force, stays there.
    fn fail(&mut self, index: usize, error: &AcmeError) {
        // The directory may have changed, or not know the account any more.
        self.account = None;
        let asked = self.https.as_ref().and_then(Https::take_retry_after);
        let mut text = error.to_string();
        if error.is_unknown_account() {
            let file = self.worker.acme.account_file.display();
            text = format!("{text}; take {file} away to have a new account made");
        }
        let failures = self.worker.states.failed(index, &text);
        let now = self.worker.now();
        let due = retry(now, failures, error.is_rate_limit(), asked, self.chance.next());
        let facts = find_certificate(&self.worker.domains[index], &self.worker.clock);
        let not_after = facts.map(|facts| facts.not_after);
        self.plan(index, not_after, due);
        tracing::error!(
            domain = self.worker.domains[index].names[0],
            failures,
            days_left = not_after.map(|end| (end - now) / DAY),
            retry_in_seconds = due - now,
            "no certificate was issued: {text}"
        );
    }

    async fn order(&mut self, index: usize) -> Result<CertificateFacts, AcmeError> {
        let Ordered { names, file } = self.worker.domains[index].clone();
        tracing::info!(domain = names[0], "a certificate is ordered");
        let account = self.account().await?;
        let key = KeyRequest::new(&names)?;
        let mut answers = Answers::new(&self.worker.acme.challenge, &self.worker.challenges);
        let limit = order_limit(&self.worker.acme.challenge, names.len());
        let ordered = order::perform(&account, &names, &key, &mut answers);
        let ordered = tokio::time::timeout(limit, ordered).await;
        answers.remove().await;
        let pem = key.with_chain(&ordered.map_err(|_| AcmeError::Timeout(limit))??);
        let now = self.worker.clock.now();
        // Files are synchronised to disks that may be slow.
        let keep = move || keep_certificate(&file, pem.as_bytes(), &names, now);
        let kept = tokio::task::spawn_blocking(keep).await;
        kept.map_err(|error| TlsProblem::new(format!("it cannot be kept: {error}")))?
    }

    async fn account(&mut self) -> Result<Account, AcmeError> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        // Roots are read anew, too: that of the directory may have changed.
        let https = open_https(&self.worker.acme, &self.worker.clock)?;
        let https = self.https.insert(https);
        let account = account::open(&self.worker.acme, https).await?;
        self.account = Some(account.clone());
        Ok(account)
    }
}

/// The certificate in the storage, if there is one that works.
fn find_certificate(domain: &Ordered, clock: &Clock) -> Option<CertificateFacts> {
    if !Path::exists(&domain.file) {
        return None;
    }
    match Certificate::load(&CertificateFiles::of_one(&domain.file), clock.now()) {
        Ok(loaded) => Some(loaded.value.facts),
        Err(problem) => {
            tracing::warn!("a stored certificate is ordered anew: {problem}");
            None
        }
    }
}

/// Whether a file may be younger than the load of what is in force: another process with the same
/// storage wrote it just now. Nobody would load it again before it is due, which may be too late.
fn was_just_written(file: &Path) -> bool {
    let modified = std::fs::metadata(file).and_then(|facts| facts.modified());
    // What lies in the future is no older.
    modified.is_ok_and(|at| at.elapsed().unwrap_or_default() < LOAD_LIMIT)
}

fn open_https(acme: &Acme, clock: &Clock) -> Result<Https, TlsProblem> {
    let options = UpstreamTlsOptions {
        roots: acme.roots.clone(),
        policy: SecurityPolicy::DEFAULT,
        ..UpstreamTlsOptions::new(Alpn::Http11)
    };
    Ok(Https::new(UpstreamTls::load(&options, clock)?.value.shard_config()))
}

/// Commands may take their time for each name, and come on top.
fn order_limit(challenge: &AcmeChallenge, names_count: usize) -> Duration {
    let hooks = match challenge {
        AcmeChallenge::Http01 | AcmeChallenge::TlsAlpn01 => Duration::ZERO,
        AcmeChallenge::Dns01(hook) => Duration::from_millis(hook.timeout_ms)
            .saturating_mul(u32::try_from(names_count).unwrap_or(u32::MAX)),
    };
    ORDER_LIMIT + hooks
}

/// How long the task sleeps at most without a look at the clock.
const LOOK_PERIOD: Duration = Duration::from_secs(600);
/// No load of a configuration takes as long.
const LOAD_LIMIT: Duration = Duration::from_secs(300);
/// How soon to look again at a storage that another process works on.
const LOCK_PERIOD: Seconds = 5;
/// No domain is ordered for more often than this, whatever certificates say.
const ORDER_PERIOD_MIN: Seconds = 60;
/// A whole order without commands; validating and issuing are bounded to three minutes each.
const ORDER_LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
