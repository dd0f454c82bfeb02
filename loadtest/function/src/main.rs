//! A trivial Lambda function (`serve`, `stream`), one behind the Invoke API (`endpoint`), and a bare
//! Runtime API for any function (`bare`): how long a call of it takes with nothing in between.

mod bare;
mod http;

use std::env;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use http::Connection;

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve"] => serve(false),
        ["serve-asking"] => serve(true),
        ["stream"] => stream(),
        ["endpoint"] => endpoint(),
        ["bare", calls, "--", program @ ..] if !program.is_empty() => bare::run(calls, program),
        _ => Err(io::Error::other(
            "usage: function serve | serve-asking | stream | endpoint | bare CALLS -- PROGRAM...",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("function: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> io::Result<Connection> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API")
        .map_err(|_| io::Error::other("AWS_LAMBDA_RUNTIME_API is not set"))?;
    Connection::open(&address)
}

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n";

/// Answers each event with 256 bytes. `asks` has it ask for the next one in the same write, as the
/// gateway's clients of plain handlers do; others wait for what their answer is answered first.
fn serve(asks: bool) -> io::Result<()> {
    let mut runtime = runtime()?;
    let body = format!("{{\"statusCode\":200,\"body\":\"{}\"}}", "x".repeat(256));
    runtime.write(NEXT)?;
    loop {
        let event = runtime.read()?;
        let id = event.field("lambda-runtime-aws-request-id");
        let answer = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: runtime\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if asks {
            runtime.write(&[answer.as_bytes(), NEXT].concat())?;
            runtime.read()?;
        } else {
            runtime.write(answer.as_bytes())?;
            runtime.read()?;
            runtime.write(NEXT)?;
        }
    }
}

/// Answers every invocation with the same 256 bytes, on a port that it prints.
fn endpoint() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    let body = format!("{{\"statusCode\":200,\"body\":\"{}\"}}", "x".repeat(256));
    let answer: Arc<str> = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Amz-Executed-Version: $LATEST\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into();
    for stream in listener.incoming() {
        let (mut connection, answer) = (Connection::of(stream?)?, Arc::clone(&answer));
        thread::spawn(move || {
            while connection.read().is_ok() && connection.write(answer.as_bytes()).is_ok() {}
        });
    }
    Ok(())
}

/// Streams an answer of two pieces; the first one says when it left, in nanoseconds since 1970.
fn stream() -> io::Result<()> {
    let mut runtime = runtime()?;
    loop {
        runtime.write(NEXT)?;
        let event = runtime.read()?;
        let id = event.field("lambda-runtime-aws-request-id");
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: runtime\r\n\
             Content-Type: application/vnd.awslambda.http-integration-response\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        runtime.write(head.as_bytes())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let prelude = "{\"statusCode\":200}\0\0\0\0\0\0\0\0";
        let first = format!("{prelude}{}\n", now.as_nanos());
        runtime.write(format!("{:x}\r\n{first}\r\n", first.len()).as_bytes())?;
        runtime.write(b"4\r\nend\n\r\n0\r\n\r\n")?;
        runtime.read()?;
    }
}
