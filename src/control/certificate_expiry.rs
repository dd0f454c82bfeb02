//! Tells the process log of certificates that expire soon or have expired: when they come into
//! force, once a day, and at the second in which one does.

use std::sync::Arc;
use std::time::Duration;

use super::owned_task::OwnedTask;
use crate::tls::{Clock, Expiry, ShownCertificate};

/// The watch over the certificates in force. Ends when it is dropped.
pub(crate) struct CertificateExpiry {
    _task: OwnedTask,
}

impl CertificateExpiry {
    /// Watches `certificates`, and warns when one expires within so many days.
    pub(crate) fn start(certificates: Arc<[ShownCertificate]>, warning_days: u32) -> Self {
        let warning = DAY.saturating_mul(warning_days);
        // The first look is not left to the task: what is wrong stands in the log before it says
        // that requests are served.
        report(&certificates, warning);
        Self { _task: OwnedTask::spawn(watch(certificates, warning)) }
    }
}

async fn watch(certificates: Arc<[ShownCertificate]>, warning: Duration) {
    loop {
        tokio::time::sleep(next_look(&certificates, warning)).await;
        report(&certificates, warning);
    }
}

/// How long until there may be something new to say.
fn next_look(certificates: &[ShownCertificate], warning: Duration) -> Duration {
    let now = Clock::system().now();
    let changes = certificates.iter().filter_map(|one| one.next_change(now, warning));
    changes.min().map_or(DAY, |change| change.min(DAY))
}

fn report(certificates: &[ShownCertificate], warning: Duration) {
    let now = Clock::system().now();
    for one in certificates {
        let (domain, upstream) = (one.domain(), one.group());
        let (file, key_type) = (one.file.display(), one.kind.name());
        let (subject, not_after) = (&*one.facts.subject, one.facts.not_after_text());
        match one.expiry(now, warning) {
            Expiry::Later => {}
            Expiry::Soon { days_left } => tracing::warn!(
                domain,
                upstream,
                %file,
                key_type,
                subject,
                not_after,
                days_left,
                "a certificate expires soon"
            ),
            Expiry::Over => tracing::error!(
                domain,
                upstream,
                %file,
                key_type,
                subject,
                not_after,
                "a certificate has expired"
            ),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{CertificateFacts, KeyKind, ShownTo};

    fn ends_in(seconds: i64) -> ShownCertificate {
        let now = i64::try_from(Clock::system().now().as_secs()).expect("a time of today");
        let facts = CertificateFacts {
            subject: "CN=a".into(),
            issuer: "CN=b".into(),
            serial_number: "01".into(),
            names: vec!["a.example".into()],
            not_before: 0,
            not_after: now + seconds,
        };
        let to = ShownTo::Clients("a.example".into());
        ShownCertificate { to, kind: KeyKind::Ecdsa, facts, file: "a.pem".into() }
    }

    #[test]
    fn it_looks_again_at_each_change_and_at_least_once_a_day() {
        let warning = DAY * 14;
        assert_eq!(next_look(&[], warning), DAY);
        assert_eq!(next_look(&[ends_in(-5)], warning), DAY);
        assert_eq!(next_look(&[ends_in(100 * 86_400)], warning), DAY);
        let due = next_look(&[ends_in(100 * 86_400), ends_in(50), ends_in(500)], warning);
        assert!((48..=52).contains(&due.as_secs()), "{due:?}");
        let due = next_look(&[ends_in(14 * 86_400 + 50)], warning);
        assert!((48..=52).contains(&due.as_secs()), "{due:?}");
    }
}
