//! The certificates that the gateway shows, by who sees them: for metrics, logs and people.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use x509_parser::time::ASN1Time;

use super::certificate::{Certificate, CertificateFacts, KeyKind};
use super::distinguished_name::date_text;

/// A certificate that is in force.
#[derive(Clone, Debug)]
pub struct ShownCertificate {
    /// Who sees it.
    pub to: ShownTo,
    /// Of which kind its key is.
    pub kind: KeyKind,
    /// What it says.
    pub facts: CertificateFacts,
    /// The file that it came from.
    pub file: PathBuf,
}

/// Who sees a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ShownTo {
    /// Clients of the domain with this first name.
    Clients(String),
    /// Targets of the group with this name.
    Targets(String),
}

/// How long a certificate is still good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// For long enough.
    Later,
    /// Not for as long as a renewal may take.
    Soon {
        /// Whole days.
        days_left: u64,
    },
    /// It has expired: whoever looks refuses it.
    Over,
}

impl ShownCertificate {
    pub(crate) fn new(to: ShownTo, certificate: &Certificate) -> Self {
        let Certificate { kind, facts, file, .. } = certificate;
        Self { to, kind: *kind, facts: facts.clone(), file: file.clone() }
    }

    /// The domain whose clients see it.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match &self.to {
            ShownTo::Clients(domain) => Some(domain),
            ShownTo::Targets(_) => None,
        }
    }

    /// The group whose targets see it.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match &self.to {
            ShownTo::Clients(_) => None,
            ShownTo::Targets(group) => Some(group),
        }
    }

    /// How long it is still good; `warning` is how long a renewal may take.
    #[must_use]
    pub fn expiry(&self, now: UnixTime, warning: Duration) -> Expiry {
        // Its last second is one of its own (RFC 5280 section 4.1.2.5).
        let Ok(left) = u64::try_from(self.facts.seconds_left(now)) else { return Expiry::Over };
        match left < warning.as_secs() {
            true => Expiry::Soon { days_left: left / DAY_SECONDS },
            false => Expiry::Later,
        }
    }

    /// How long until [`ShownCertificate::expiry`] has another answer of another kind; `None` if
    /// it never will.
    #[must_use]
    pub fn next_change(&self, now: UnixTime, warning: Duration) -> Option<Duration> {
        let left = u64::try_from(self.facts.seconds_left(now)).ok()?;
        let after = match left.checked_sub(warning.as_secs()) {
            Some(before_warning) => before_warning,
            None => left,
        };
        Some(Duration::from_secs(after.saturating_add(1)))
    }
}

impl CertificateFacts {
    /// From when it is good, as people read it.
    #[must_use]
    pub fn not_before_text(&self) -> String {
        text(self.not_before)
    }

    /// Until when it is good, as people read it.
    #[must_use]
    pub fn not_after_text(&self) -> String {
        text(self.not_after)
    }
}

fn text(seconds: i64) -> String {
    // It came out of a certificate's date.
    ASN1Time::from_timestamp(seconds).map(date_text).unwrap_or_default()
}

const DAY_SECONDS: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn until(not_after: i64) -> ShownCertificate {
        let facts = CertificateFacts {
            subject: "CN=a".into(),
            issuer: "CN=b".into(),
            serial_number: "01".into(),
            names: vec!["a.example".into()],
            not_before: 0,
            not_after,
        };
        let to = ShownTo::Clients("a.example".into());
        ShownCertificate { to, kind: KeyKind::Ecdsa, facts, file: "a.pem".into() }
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn the_last_days_are_counted_to_the_last_second() {
        let (end, warning) = (1_000_000_u64, Duration::from_secs(2 * DAY_SECONDS));
        let one = until(1_000_000);
        let begin = end - 2 * DAY_SECONDS;
        for (now, expected) in [
            (0, Expiry::Later),
            (begin, Expiry::Later),
            (begin + 1, Expiry::Soon { days_left: 1 }),
            (end - DAY_SECONDS, Expiry::Soon { days_left: 1 }),
            (end - DAY_SECONDS + 1, Expiry::Soon { days_left: 0 }),
            (end, Expiry::Soon { days_left: 0 }),
            (end + 1, Expiry::Over),
        ] {
            assert_eq!(one.expiry(at(now), warning), expected, "{now}");
        }
        assert_eq!(one.expiry(at(end), Duration::ZERO), Expiry::Later, "no warning is asked for");
        assert_eq!(until(-5).expiry(at(0), warning), Expiry::Over, "older than the clock");
    }

    #[test]
    fn the_next_change_is_where_the_answer_changes() {
        let warning = Duration::from_secs(DAY_SECONDS);
        let one = until(1_000_000);
        let kind = |now| std::mem::discriminant(&one.expiry(at(now), warning));
        for start in [0, 5, 1_000_000 - DAY_SECONDS, 1_000_000 - DAY_SECONDS + 1, 1_000_000] {
            let change = start + one.next_change(at(start), warning).expect("it ends").as_secs();
            assert_ne!(kind(change), kind(start), "{start}");
            assert_eq!(kind(change - 1), kind(start), "{start}");
        }
        assert_eq!(one.next_change(at(1_000_001), warning), None);
    }

    #[test]
    fn dates_are_read_as_aws_writes_them() {
        let facts = until(1_628_156_164).facts;
        assert_eq!(facts.not_after_text(), "Aug  5 09:36:04 2021 GMT");
        assert_eq!(facts.not_before_text(), "Jan  1 00:00:00 1970 GMT");
    }
}
