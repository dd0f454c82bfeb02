//! The command line, and the plan that it makes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::run::Plan;

/// Makes TLS 1.3 handshakes, full or resumed, one after another, and counts them by kind
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The server, on this machine: ADDRESS:PORT
    #[arg(value_parser = parse_address)]
    pub(crate) address: SocketAddr,

    /// PEM: the certificate that the server must show
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: PathBuf,

    /// The name that is asked for (SNI)
    #[arg(long, default_value = "localhost", value_parser = parse_name)]
    pub(crate) name: ServerName<'static>,

    /// Resume sessions by the tickets of the handshakes before; the first of each thread is full
    #[arg(long)]
    pub(crate) resume: bool,

    /// Seconds after which no handshake is begun
    #[arg(short, long, default_value = "5", value_parser = parse_seconds)]
    pub(crate) duration: Duration,

    /// Handshakes after which none is begun
    #[arg(short = 'n', long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) count: u64,

    /// Threads, each with one connection at a time
    #[arg(short, long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,

    /// Seconds that the server may take for each step of a handshake
    #[arg(long, default_value = "5", value_parser = parse_seconds)]
    pub(crate) timeout: Duration,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// What is to be done. Reads the certificate.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let certificate = CertificateDer::from_pem_file(&self.certificate)
            .map_err(|error| format!("{}: {error}", self.certificate.display()))?;
        Ok(Plan {
            address: self.address,
            name: self.name.clone(),
            certificate,
            is_resuming: self.resume,
            duration: self.duration,
            handshakes_count_max: self.count,
            threads_count: self.threads,
            timeout: self.timeout,
        })
    }
}

/// Another machine's address is refused: this is a load, not a client.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "ADDRESS:PORT is expected".to_owned())?;
    let is_here = address.ip().is_loopback();
    is_here.then_some(address).ok_or_else(|| "only this machine's loopback is allowed".to_owned())
}

fn parse_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| "a host name is expected".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.01..=3_600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "0.01 to 3600 seconds are expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_arguments_are_refused() {
        let good = ["handshakes", "--certificate=a.pem"];
        let parse = |more: &[&str]| Arguments::try_parse_from([&good[..], more].concat());
        assert!(parse(&["127.0.0.1:1"]).is_ok());
        assert!(parse(&["[::1]:1", "-d", "0.5", "-n", "1", "-t", "256", "--resume"]).is_ok());
        let bad: [&[&str]; 8] = [
            &[],
            &["127.0.0.1"],
            &["192.0.2.1:443"],
            &["localhost:443"],
            &["127.0.0.1:1", "-d", "0"],
            &["127.0.0.1:1", "-n", "0"],
            &["127.0.0.1:1", "-t", "257"],
            &["127.0.0.1:1", "--name", "a b"],
        ];
        for words in bad {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_missing_certificate_is_told_with_its_path() {
        let words = ["handshakes", "--certificate=/no/such/file.pem", "127.0.0.1:1"];
        let error = Arguments::try_parse_from(words).expect("good arguments").plan().err();
        assert!(error.expect("no plan").contains("/no/such/file.pem"));
    }
}
