//! Calls that end before their time: deadlines, and clients that give up.

use std::time::{Duration, Instant};

use prost::Message as _;
use tonic::{Code, Request};

use super::caller::Caller;
use super::probe::{Ask, DOWN, Event, UNARY};
use super::site::{Site, down, numbered, unary};

fn hanging() -> Ask {
    Ask { hangs: true, ..Ask::default() }
}

/// `grpc-timeout` alone, so that the client itself waits as long as it takes.
fn asking(ask: Ask, timeout: &'static str) -> Request<Ask> {
    let mut request = Request::new(ask);
    request.metadata_mut().insert("grpc-timeout", timeout.parse().expect("text"));
    request
}

/// A service that does not look at `grpc-timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_ends_a_call_whose_time_is_over() {
    let mut site = Site::deaf().await;
    let address = site.gateway.address("public");
    let begun = Instant::now();
    // By hand: tonic's client would look at the header too.
    let call = move || {
        let mut caller = Caller::connect(address);
        let fields =
            [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")];
        let mut call = caller.begin_with("POST", UNARY, &fields);
        let message = hanging().encode_to_vec();
        let length = u8::try_from(message.len()).expect("short");
        let framed = [&[0, 0, 0, 0, length][..], &message].concat();
        call.body.send_data(framed.into(), true).expect("sent");
        caller.end(call).expect("an answer")
    };
    let answer = tokio::task::spawn_blocking(call).await.expect("a call");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("4")));
    assert_eq!(answer.field("content-type"), Some("application/grpc+proto"));
    assert_eq!(site.probe.event().await, Event::Begun(UNARY));
    assert_eq!(site.probe.event().await, Event::GivenUp);
    unary(&site.channel, numbered(1)).await.expect("the connection stands");
}

/// The time runs out behind the head of the answer: the status is in the trailers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_time_is_over_ends_with_its_status() {
    let mut site = Site::deaf().await;
    let ask = Ask { count: 3, ..hanging() };
    let mut answers = down(&site.channel, asking(ask, "300m")).await.expect("a stream");
    for _ in 0..3 {
        answers.message().await.expect("in time").expect("an answer");
    }
    let status = answers.message().await.expect_err("too late");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert_eq!(site.probe.event().await, Event::Begun(DOWN));
    assert_eq!(site.probe.event().await, Event::GivenUp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_up_reaches_the_service() {
    for mut site in [Site::clear().await, Site::tls().await] {
        let channel = site.channel.clone();
        let call = tokio::spawn(async move { unary(&channel, hanging()).await });
        assert_eq!(site.probe.event().await, Event::Begun(UNARY));
        call.abort();
        assert_eq!(site.probe.event().await, Event::GivenUp);

        let ask = Ask { count: 1, ..hanging() };
        let mut answers = down(&site.channel, ask).await.expect("a stream");
        answers.message().await.expect("no error").expect("an answer");
        assert_eq!(site.probe.event().await, Event::Begun(DOWN));
        drop(answers);
        assert_eq!(site.probe.event().await, Event::GivenUp);
        unary(&site.channel, numbered(1)).await.expect("the connection stands");
    }
}
