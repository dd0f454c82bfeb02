//! A function on AWS's runtime client for Rust, which answers whole or, as `stream`, while it writes.

use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match std::env::args().nth(1).as_deref() {
        Some("stream") => run(service_fn(stream)).await,
        _ => run(service_fn(answer)).await,
    }
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    match event.payload["path"].as_str() {
        Some("/bad") => Err("it was asked to fail".into()),
        path => Ok(json!({
            "statusCode": 201,
            "headers": {"x-path": path},
            "body": event.context.request_id,
        })),
    }
}

async fn stream(_: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for piece in ["one ", "two ", "three"] {
            if sender.send_data(piece.into()).await.is_err() {
                return; // nobody wants it any more
            }
        }
    });
    Ok(Response::from(body))
}
