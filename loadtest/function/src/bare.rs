//! A Runtime API for one process, with nothing around it.

use std::io;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::Connection;

/// Starts `program`, calls it, and prints what that took, as JSON in microseconds.
pub(crate) fn run(calls: &str, program: &[&str]) -> io::Result<()> {
    let calls_count: usize = calls.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let began = Instant::now();
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).env("AWS_LAMBDA_RUNTIME_API", address);
    let mut process = Ended(command.spawn()?);
    let (stream, _) = listener.accept()?;
    let mut runtime = Connection::of(stream)?;
    runtime.read()?;
    let start = began.elapsed();
    let mut calls = Vec::with_capacity(calls_count);
    let mut first_bytes = Vec::new();
    for turn in 0..calls_count {
        let (call, first_byte) = call(&mut runtime, turn)?;
        calls.push(call);
        first_bytes.extend(first_byte);
    }
    process.0.kill()?;
    println!(
        "{{\"start_us\":{},\"call_p50_us\":{},\"call_p99_us\":{},\"first_byte_p50_us\":{}}}",
        start.as_micros(),
        percentile(&mut calls, 50),
        percentile(&mut calls, 99),
        percentile(&mut first_bytes, 50),
    );
    Ok(())
}

/// Gives the runtime, which has asked, an event. From there to its answer; and of an answer that is
/// streamed, from its first piece's leaving to its coming.
fn call(runtime: &mut Connection, turn: usize) -> io::Result<(Duration, Option<Duration>)> {
    let event = format!("{{\"version\":\"2.0\",\"padding\":\"{}\"}}", "x".repeat(1_000));
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: call-{turn}\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:f\r\n\
         Content-Length: {}\r\n\r\n{event}",
        event.len()
    );
    let began = Instant::now();
    runtime.write(answer.as_bytes())?;
    let mut first_byte = None;
    let mut message = runtime.read_head()?;
    if message.field("transfer-encoding") == "chunked" {
        let mut is_more = runtime.read_chunk(&mut message.body)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let sent = text.rsplit('\0').next().and_then(|text| text.trim().parse::<u64>().ok());
        first_byte = sent.map(|sent| now.saturating_sub(Duration::from_nanos(sent)));
        while is_more {
            is_more = runtime.read_chunk(&mut message.body)?;
        }
    } else {
        let length = message.field("content-length").parse().unwrap_or(0);
        runtime.skip(length)?;
    }
    let call = began.elapsed();
    if !message.first_line.contains("/response") {
        return Err(io::Error::other(message.first_line));
    }
    let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n\
        Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
    runtime.write(accepted)?;
    runtime.read()?;
    Ok((call, first_byte))
}

fn percentile(spans: &mut [Duration], percent: usize) -> u128 {
    spans.sort_unstable();
    let index = (spans.len() * percent / 100).min(spans.len().saturating_sub(1));
    spans.get(index).map_or(0, Duration::as_micros)
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
