//! The command line, and the plan that it makes.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use clap::Parser;

use crate::engine::Plan;

/// Sends HTTP/1.1 requests at a constant rate and measures latency from when each was due
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to ask for: http://HOST[:PORT][/PATH]
    #[arg(value_parser = Url::parse)]
    pub(crate) url: Url,

    /// Requests per second
    #[arg(short, long, value_parser = parse_rate)]
    pub(crate) rate: f64,

    /// Connections; a request that is due while all of them wait for answers waits too
    #[arg(short, long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) connections: u32,

    /// Seconds that are measured
    #[arg(short, long, default_value = "10", value_parser = parse_seconds)]
    pub(crate) duration: Duration,

    /// Seconds before that, at the same rate, that are not measured
    #[arg(short, long, default_value = "1", value_parser = parse_seconds)]
    pub(crate) warmup: Duration,

    /// Seconds that the last answers may take; a request without an answer by then counts as a
    /// failure, and with the time it has waited
    #[arg(short, long, default_value = "5", value_parser = parse_seconds)]
    pub(crate) grace: Duration,

    /// The method
    #[arg(short = 'X', long, default_value = "GET", value_parser = parse_token)]
    pub(crate) method: String,

    /// A further header; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<String>,

    /// Bytes of body that each request carries
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) body_bytes: Option<u32>,

    /// Run on this core alone
    #[arg(long, value_name = "NUMBER")]
    pub(crate) core: Option<usize>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    text: String,
    authority: String,
    target: String,
    address: SocketAddr,
}

impl std::fmt::Display for Url {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").ok_or("http://HOST[:PORT][/PATH] is expected")?;
        if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("it has a space or a control character".to_owned());
        }
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        // A port is given, unless the last colon belongs to an IPv6 address.
        let has_port = authority.rfind(':') > authority.rfind(']');
        let host = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("{host} has no address"))?;
        let (text, authority) = (text.to_owned(), authority.to_owned());
        Ok(Self { text, authority, target: format!("{slash}{path}"), address })
    }
}

impl Arguments {
    /// What the engine is to do.
    pub(crate) fn plan(&self) -> Plan {
        let mut request = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            self.method, self.url.target, self.url.authority
        );
        for header in &self.headers {
            request.extend([header, "\r\n"]);
        }
        if let Some(bytes) = self.body_bytes {
            request.push_str(&format!("content-length: {bytes}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(&"x".repeat(self.body_bytes.unwrap_or(0) as usize));
        Plan {
            address: self.url.address,
            request: request.into_bytes(),
            bodiless: self.method == "HEAD",
            rate_per_second: self.rate,
            connections_count: self.connections as usize,
            warmup: self.warmup,
            duration: self.duration,
            grace: self.grace,
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| "0.01 to 10000000 requests per second are expected".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "0 to 86400 seconds are expected".to_owned())
}

fn parse_token(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    good.then(|| text.to_owned()).ok_or_else(|| "a method has letters only".to_owned())
}

fn parse_header(text: &str) -> Result<String, String> {
    let good = text.split_once(':').is_some_and(|(name, _)| !name.is_empty())
        && !text.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    good.then(|| text.to_owned()).ok_or_else(|| "NAME: VALUE is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> String {
        let words = [&["openloop", "--rate", "1"], words].concat();
        let plan = Arguments::try_parse_from(words).expect("good arguments").plan();
        String::from_utf8(plan.request).expect("text")
    }

    #[test]
    fn arguments_make_a_request() {
        let head = "GET / HTTP/1.1\r\nhost: 127.0.0.1:9000\r\n\r\n";
        assert_eq!(request(&["http://127.0.0.1:9000"]), head);
        let head = "GET /a?b=c HTTP/1.1\r\nhost: [::1]\r\nx-a: 1\r\n\r\n";
        assert_eq!(request(&["http://[::1]/a?b=c#d", "-H", "x-a: 1"]), head);
        let whole = "PUT /?b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\n\r\nxxx";
        assert_eq!(request(&["http://127.0.0.1?b", "-X", "PUT", "-b", "3"]), whole);
    }

    #[test]
    fn bad_arguments_are_refused() {
        let bad: [&[&str]; 8] = [
            &["https://127.0.0.1/"],
            &["127.0.0.1:9000"],
            &["http://127.0.0.1/a b"],
            &["http://127.0.0.1:port/"],
            &["http://127.0.0.1/", "-H", "no colon"],
            &["http://127.0.0.1/", "-H", "a: b\r\nc: d"],
            &["http://127.0.0.1/", "-c", "0"],
            &["http://127.0.0.1/", "-d", "-1"],
        ];
        for words in bad {
            let words = [&["openloop", "--rate=1"], words].concat();
            assert!(Arguments::try_parse_from(&words).is_err(), "{words:?}");
        }
        for rate in ["0", "-1", "nan", "inf", "many"] {
            let rate = format!("--rate={rate}");
            let words = ["openloop", "http://127.0.0.1/", &rate];
            assert!(Arguments::try_parse_from(words).is_err(), "{rate}");
        }
    }
}
