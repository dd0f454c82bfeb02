//! Makes TLS 1.3 handshakes with a server on this machine, one after another on each of some
//! threads, and counts them: full or resumed, and what failed.
//!
//! Every handshake is the same: X25519, TLS_AES_128_GCM_SHA256, ECDSA with P-256, and a certificate
//! that must be the expected one. A connection carries no request. It has succeeded when the
//! server's session ticket is here, for the server sends that once it has checked the client's
//! Finished; then both sides close it in order. So what a server spends on each is: accepting,
//! the handshake, the tickets, closing.

mod arguments;
mod client;
mod report;
mod run;
mod tickets;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.plan().and_then(|plan| run::run(&plan)) {
        Ok(outcome) => {
            let report = report::Report::new(&arguments, &outcome);
            println!("{}", if arguments.json { report.json() } else { report.text() });
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("handshakes: {}: {error}", arguments.address);
            ExitCode::FAILURE
        }
    }
}
