//! What the gateway counts, read from its admin listener.

use std::time::Instant;

use super::{Client, Gateway, HANG_GUARD};

impl Gateway {
    /// The sum over all series of the family `name` whose labels hold `label` (`""` for all). The
    /// configuration must have an admin listener with a port.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let mut admin = Client::connect(self.admin());
        admin.send("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let answer = admin.answer();
        assert_eq!(answer.status, 200, "{}", answer.head);
        let text = answer.text();
        assert!(text.contains(&format!("# TYPE {name} ")), "no family {name} in {text}");
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        let value = |line: &str| {
            let (_, value) = line.rsplit_once(' ').expect("a value");
            value.parse::<f64>().expect("a number")
        };
        series.map(value).sum()
    }

    /// Reads the metric until it is `expected`.
    pub fn wait_for_metric(&self, name: &str, label: &str, expected: f64) {
        let start = Instant::now();
        loop {
            let value = self.metric(name, label);
            if value == expected {
                return;
            }
            let waited = start.elapsed();
            assert!(waited < HANG_GUARD, "{name} {label} is {value}, not {expected}");
            std::thread::yield_now();
        }
    }

    /// Waits until nothing is under way: no client, no request to a target, no tunnel.
    pub fn wait_until_quiet(&self) {
        for gauge in [
            "shardgate_connections",
            "shardgate_tunnels",
            "shardgate_upstream_requests_outstanding",
        ] {
            self.wait_for_metric(gauge, "", 0.0);
        }
    }
}
