//! The three kinds of streaming calls.

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::harness::Gateway;
use super::probe::{Answer, Ask, Probe};
use super::site::{Site, both, channel, configuration, down, numbered, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_answers() {
    for site in [Site::clear().await, Site::tls().await] {
        let ask = Ask { count: 100, payload: vec![7; 1_000], ..Ask::default() };
        let mut answers = down(&site.channel, ask).await.expect("a stream");
        for number in 0..100 {
            let answer = answers.message().await.expect("no error").expect("an answer");
            assert_eq!(answer, Answer { number, payload: vec![7; 1_000] });
        }
        assert_eq!(answers.message().await.expect("OK"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_answers_that_ends_in_an_error() {
    let site = Site::clear().await;
    let ask = Ask { count: 3, code: 10, text: "cut \u{fc}".to_owned(), ..Ask::default() };
    let mut answers = down(&site.channel, ask).await.expect("a stream");
    for _ in 0..3 {
        answers.message().await.expect("no error").expect("an answer");
    }
    let status = answers.message().await.expect_err("the error");
    assert_eq!((status.code(), status.message()), (Code::Aborted, "cut \u{fc}"));
    assert_eq!(status.metadata().get("x-trailer").expect("it came"), "behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_small_answers() {
    let site = Site::clear().await;
    let ask = Ask { count: 10_000, ..Ask::default() };
    let answers = down(&site.channel, ask).await.expect("a stream");
    let numbers: Vec<_> = answers.map(|answer| answer.expect("no error").number).collect().await;
    assert!(numbers.into_iter().eq(0..10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_requests() {
    for site in [Site::clear().await, Site::tls().await] {
        let asks = (0..2_000).map(|number| Ask { payload: vec![1; 100], ..numbered(number) });
        let answer = up(&site.channel, tokio_stream::iter(asks)).await.expect("an answer");
        assert_eq!(answer.number, 2_000);
        assert_eq!(answer.payload, 200_000_u64.to_be_bytes());
        let none = tokio_stream::iter(Vec::new());
        assert_eq!(up(&site.channel, none).await.expect("an answer").number, 0);
    }
}

/// The service answers while the client would go on sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_requests_end() {
    let site = Site::clear().await;
    for last in [Ask { count: 1, ..Ask::default() }, Ask { code: 9, ..Ask::default() }] {
        let (send, receive) = mpsc::channel(4);
        let is_error = last.code != 0;
        for ask in [numbered(1), numbered(2), last] {
            send.send(ask).await.expect("a channel");
        }
        let result = up(&site.channel, ReceiverStream::new(receive)).await;
        match result {
            Ok(answer) => assert_eq!((answer.number, is_error), (2, false)),
            Err(status) => {
                assert_eq!((status.code(), is_error), (Code::FailedPrecondition, true));
            }
        }
        drop(send);
    }
}

/// Each message goes through before the next is made: nothing is held back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialogue() {
    for site in [Site::clear().await, Site::tls().await] {
        let (send, receive) = mpsc::channel(1);
        send.send(numbered(0)).await.expect("a channel");
        let asks = ReceiverStream::new(receive);
        let mut answers = both(&site.channel, asks).await.expect("a stream");
        for number in 0..200 {
            let answer = answers.message().await.expect("no error").expect("an answer");
            assert_eq!(answer.number, number);
            send.send(numbered(number + 1)).await.expect("a channel");
        }
        drop(send);
        assert_eq!(answers.message().await.expect("no error").expect("the last").number, 200);
        assert_eq!(answers.message().await.expect("OK"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_both_ways() {
    let site = Site::clear().await;
    let asks = tokio_stream::iter((0..10_000).map(numbered));
    let answers = both(&site.channel, asks).await.expect("a stream");
    let numbers: Vec<_> = answers.map(|answer| answer.expect("no error").number).collect().await;
    assert!(numbers.into_iter().eq(0..10_000));
}

/// A client that does not read stops the service and its own sending, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_up_its_own_stream_alone() {
    const MESSAGES: u64 = 64;
    let probe = Probe::start().await;
    let limits = "[limits]\nbody_bytes_max = 100_000_000\n";
    let gateway = Gateway::start(&configuration(&[probe.address], "", limits));
    let channel = channel(&gateway).await;
    let (send, receive) = mpsc::channel(1);
    let payload = vec![9; 1_000_000];
    let mut answers = both(&channel, ReceiverStream::new(receive)).await.expect("a stream");
    let (sent, mut progress) = mpsc::unbounded_channel();
    let sender = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let ask = Ask { payload: payload.clone(), ..numbered(number) };
            send.send(ask).await.expect("the stream stands");
            let _ = sent.send(number);
        }
    });
    // Meanwhile another call of the same connection is answered.
    let ask = Ask { count: 1_000, payload: vec![3; 1_000], ..Ask::default() };
    let others = down(&channel, ask).await.expect("a stream");
    assert_eq!(
        others.map(|answer| answer.expect("no error")).collect::<Vec<_>>().await.len(),
        1_000
    );
    let mut so_far = 0;
    while progress.try_recv().is_ok() {
        so_far += 1;
    }
    assert!(so_far < MESSAGES / 2, "{so_far} messages of 1 MB were taken and none was read");
    for number in 0..MESSAGES {
        let answer = answers.message().await.expect("no error").expect("an answer");
        assert_eq!((answer.number, answer.payload.len()), (number, 1_000_000));
    }
    assert_eq!(answers.message().await.expect("OK"), None);
    sender.await.expect("all were sent");
}
