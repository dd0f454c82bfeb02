//! Unary calls: metadata, trailers, errors of the service, compression, large messages, many at once.

use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use super::probe::{Answer, Ask, UNARY};
use super::site::{Site, client, numbered, unary};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unary_call_in_clear_text() {
    let site = Site::clear().await;
    a_unary_call(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unary_call_over_tls_on_both_sides() {
    let site = Site::tls().await;
    a_unary_call(&site).await;
}

async fn a_unary_call(site: &Site) {
    for number in [1, 2] {
        let ask = Ask { payload: b"payload".to_vec(), ..numbered(number) };
        let answer = unary(&site.channel, ask).await.expect("an answer").into_inner();
        assert_eq!(answer, Answer { number, payload: b"payload".to_vec() });
    }
    // An empty message is five bytes of framing.
    let answer = unary(&site.channel, Ask::default()).await.expect("an answer");
    assert_eq!(answer.into_inner(), Answer::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_goes_both_ways() {
    let site = Site::clear().await;
    let mut ask = Request::new(Ask::default());
    ask.metadata_mut().insert("x-ask-plain", MetadataValue::from_static("a b;c"));
    ask.metadata_mut().append("x-ask-twice", MetadataValue::from_static("1"));
    ask.metadata_mut().append("x-ask-twice", MetadataValue::from_static("2"));
    let bytes: Vec<u8> = (0..=255).collect();
    ask.metadata_mut().insert_bin("x-ask-bin", MetadataValue::from_bytes(&bytes));
    let answer = unary(&site.channel, ask).await.expect("an answer");
    let metadata = answer.metadata();
    assert_eq!(metadata.get("x-answer-plain").expect("it came"), "a b;c");
    let twice: Vec<_> = metadata.get_all("x-answer-twice").iter().collect();
    assert_eq!(twice, ["1", "2"]);
    let came = metadata.get_bin("x-answer-bin").expect("it came").to_bytes().expect("base64");
    assert_eq!(came, bytes);
    assert_eq!(metadata.get("grpc-status").expect("a trailer"), "0");
}

/// The status of an error, its message with what must be percent-encoded, and the metadata behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_service_come_as_they_are() {
    let site = Site::tls().await;
    for code in 1..=16 {
        let text = "100% wrong: \u{e4}\u{1f980}\r\nx: y\t\"";
        let ask = Ask { code, text: text.to_owned(), ..Ask::default() };
        let status = unary(&site.channel, ask).await.expect_err("an error");
        assert_eq!(status.code(), Code::from_i32(code));
        assert_eq!(status.message(), text);
        assert_eq!(status.metadata().get("x-trailer").expect("it came"), "behind");
        let bytes = status.metadata().get_bin("x-trailer-bin").expect("it came").to_bytes();
        assert_eq!(&bytes.expect("base64")[..], [0, 1, 254, 255]);
    }
    // They were answers like any other.
    unary(&site.channel, numbered(7)).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_messages_pass() {
    let site = Site::clear().await;
    let mut client = client(&site.channel)
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    client.ready().await.expect("a connection");
    let payload = b"again and ".repeat(10_000);
    let ask = Ask { payload: payload.clone(), ..numbered(1) };
    let method = http::uri::PathAndQuery::from_static(UNARY);
    let codec = tonic_prost::ProstCodec::<Ask, Answer>::default();
    let answer = client.unary(Request::new(ask), method, codec).await.expect("an answer");
    assert_eq!(answer.metadata().get("grpc-encoding").expect("compressed"), "gzip");
    assert_eq!(answer.into_inner().payload, payload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_several_mebibytes_pass() {
    for site in [Site::clear().await, Site::tls().await] {
        let payload: Vec<u8> = (0..7_000_000_u32).map(|at| (at % 251) as u8).collect();
        let ask = Ask { payload: payload.clone(), ..numbered(1) };
        let answer = unary(&site.channel, ask).await.expect("an answer").into_inner();
        assert!(answer.payload == payload, "{} bytes came", answer.payload.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_one_connection() {
    let site = Site::clear().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..500 {
        let channel = site.channel.clone();
        calls.spawn(async move {
            let payload = vec![number as u8; (number as usize % 40) * 1_000];
            let ask = Ask { payload: payload.clone(), ..numbered(number) };
            let answer = unary(&channel, ask).await.expect("an answer").into_inner();
            assert_eq!(answer, Answer { number, payload });
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("a call");
    }
    assert_eq!(site.gateway.metric("shardgate_panics_total", ""), 0.0);
}
