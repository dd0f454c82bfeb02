//! Targets that end, and reloads and drains of the gateway, under calls.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::harness::Gateway;
use super::probe::{Ask, Probe};
use super::site::{Site, both, channel, clear, configuration, down, numbered, unary};

/// A service says GOAWAY: the call under way ends well, and the next goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_goes_away_costs_no_call() {
    let (mut first, second) = (Probe::start().await, Probe::start().await);
    let gateway = clear(&[first.address, second.address]);
    let channel = channel(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let (send, receive) = mpsc::channel(1);
        send.send(numbered(1)).await.expect("a channel");
        let mut answers = both(&channel, ReceiverStream::new(receive)).await.expect("a stream");
        answers.message().await.expect("no error").expect("an answer");
        streams.push((send, answers));
    }
    first.stop();
    for number in 0..50 {
        let answer = unary(&channel, numbered(number)).await.expect("an answer");
        assert_eq!(answer.into_inner().number, number);
    }
    for (send, mut answers) in streams {
        send.send(numbered(2)).await.expect("a channel");
        assert_eq!(answers.message().await.expect("no error").expect("one").number, 2);
        drop(send);
        assert_eq!(answers.message().await.expect("OK"), None);
    }
    first.stopped().await;
}

/// A service that dies is found to be gone before a call is sent to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_costs_no_later_call() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let first = runtime.spawn(Probe::start()).await.expect("a service");
    let second = Probe::start().await;
    let gateway = clear(&[first.address, second.address]);
    let channel = channel(&gateway).await;
    for number in 0..4 {
        unary(&channel, numbered(number)).await.expect("an answer");
    }
    // With it go its sockets.
    tokio::task::spawn_blocking(move || drop(runtime)).await.expect("it ends");
    for number in 0..50 {
        let answer = unary(&channel, numbered(number)).await.expect("an answer");
        assert_eq!(answer.into_inner().number, number);
    }
}

/// A stream that it had begun ends with a status, not as if it were whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_in_a_stream_is_unavailable() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let probe = runtime.spawn(Probe::start()).await.expect("a service");
    let gateway = clear(&[probe.address]);
    let ask = Ask { count: 1, hangs: true, ..Ask::default() };
    let channel = channel(&gateway).await;
    let mut answers = down(&channel, ask).await.expect("a stream");
    answers.message().await.expect("no error").expect("an answer");
    tokio::task::spawn_blocking(move || drop(runtime)).await.expect("it ends");
    let status = answers.message().await.expect_err("it is cut");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_breaks_no_stream() {
    let site = Site::clear().await;
    let (send, receive) = mpsc::channel(1);
    send.send(numbered(0)).await.expect("a channel");
    let mut answers = both(&site.channel, ReceiverStream::new(receive)).await.expect("a stream");
    for number in 0..10 {
        assert_eq!(answers.message().await.expect("no error").expect("one").number, number);
        let other = format!("idle_timeout_ms = {}", 20_000 + number);
        site.gateway.rewrite(&configuration(&[site.probe.address], &other, ""));
        site.gateway.signal("HUP");
        site.gateway.wait_for_log_times(number as usize + 1, |line| {
            line["message"] == "the configuration was reloaded"
        });
        unary(&site.channel, numbered(1)).await.expect("an answer");
        send.send(numbered(number + 1)).await.expect("a channel");
    }
    drop(send);
    assert_eq!(answers.message().await.expect("no error").expect("the last").number, 10);
    assert_eq!(answers.message().await.expect("OK"), None);
}

/// A group that a reload removes lets the calls under way end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_without_the_group_breaks_no_stream() {
    let site = Site::clear().await;
    let (send, receive) = mpsc::channel(1);
    send.send(numbered(0)).await.expect("a channel");
    let mut answers = both(&site.channel, ReceiverStream::new(receive)).await.expect("a stream");
    answers.message().await.expect("no error").expect("an answer");
    let other = configuration(&[site.probe.address], "", "").replace("backend", "other");
    site.gateway.rewrite(&other);
    site.gateway.signal("HUP");
    site.gateway
        .wait_for_log("a reload", |line| line["message"] == "the configuration was reloaded");
    unary(&site.channel, numbered(1)).await.expect("an answer");
    send.send(numbered(5)).await.expect("a channel");
    assert_eq!(answers.message().await.expect("no error").expect("one").number, 5);
    drop(send);
    assert_eq!(answers.message().await.expect("OK"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_streams() {
    let mut site = Site::clear().await;
    let (send, receive) = mpsc::channel(1);
    send.send(numbered(0)).await.expect("a channel");
    let mut answers = both(&site.channel, ReceiverStream::new(receive)).await.expect("a stream");
    answers.message().await.expect("no error").expect("an answer");
    site.gateway.signal("TERM");
    site.gateway.wait_for_log("the drain", |line| line["message"] == "draining");
    send.send(numbered(1)).await.expect("a channel");
    assert_eq!(answers.message().await.expect("no error").expect("one").number, 1);
    drop(send);
    assert_eq!(answers.message().await.expect("OK"), None);
    let gateway: &mut Gateway = &mut site.gateway;
    assert!(gateway.wait().success());
}
