//! A target that speaks HTTP/2 and answers as the path says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::{Bytes, BytesMut};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::Semaphore;

/// The target, on a thread of its own.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Requests for `/stall` that were given up.
    given_up: AtomicUsize,
    /// `/gate` answers once it has a permit.
    gate: Semaphore,
}

impl Target {
    pub(crate) fn start() -> Self {
        Self::serving(Builder::new())
    }

    /// With the settings that `builder` says.
    pub(crate) fn serving(builder: Builder) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Seen {
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let serving = Arc::clone(&seen);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                while let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    serving.connections.fetch_add(1, Ordering::SeqCst);
                    let (builder, seen) = (builder.clone(), Arc::clone(&serving));
                    tokio::spawn(serve(stream, builder, seen));
                }
            });
        });
        Self { address, seen }
    }

    pub(crate) fn connections_count(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests_count(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Lets as many requests for `/gate` be answered.
    pub(crate) fn open_gate(&self, count: usize) {
        self.seen.gate.add_permits(count);
    }

    /// Waits until as many requests have come.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        wait_for(&self.seen.requests, count);
    }

    /// Waits until as many requests for `/stall` were given up.
    pub(crate) fn wait_until_given_up(&self, count: usize) {
        wait_for(&self.seen.given_up, count);
    }
}

fn wait_for(counter: &AtomicUsize, count: usize) {
    let start = std::time::Instant::now();
    while counter.load(Ordering::SeqCst) < count {
        let so_far = counter.load(Ordering::SeqCst);
        assert!(start.elapsed() < super::harness::HANG_GUARD, "{so_far} of {count}");
        thread::yield_now();
    }
}

async fn serve(stream: tokio::net::TcpStream, builder: Builder, seen: Arc<Seen>) {
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            // A gateway that goes away is no fault of the target's.
            let _ = answer(request, respond, &seen).await;
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: &Seen,
) -> Result<(), h2::Error> {
    let path = request.uri().path().to_owned();
    let path: Vec<_> = path.split('/').skip(1).collect();
    match path[..] {
        ["mirror"] => return mirror(request, respond).await,
        ["interim"] => {
            let early = Response::builder().status(103).header("link", "</a>; rel=preload");
            respond.send_informational(early.body(()).expect("a head"))?;
            send(respond, 200, &[], b"final")?;
        }
        ["many-interim", count] => {
            for _ in 0..count.parse().expect("a number") {
                let early = Response::builder().status(103).body(()).expect("a head");
                respond.send_informational(early)?;
            }
            send(respond, 200, &[], b"final")?;
        }
        ["status", status] => {
            let head = Response::builder().status(status).header("x-a", "b");
            let head = match status {
                "304" => head.header("content-length", "5"),
                _ => head,
            };
            respond.send_response(head.body(()).expect("a head"), true)?;
        }
        // What a HEAD or a GET is answered with, in two pieces.
        ["said", length] => {
            let is_head = request.method() == "HEAD";
            let head = Response::builder().header("content-length", length).body(());
            let mut body = respond.send_response(head.expect("a head"), is_head)?;
            if !is_head {
                body.send_data(Bytes::from_static(b"hel"), false)?;
                tokio::task::yield_now().await;
                body.send_data(Bytes::from_static(b"lo"), true)?;
            }
        }
        ["cut"] => {
            let mut body = respond.send_response(Response::new(()), false)?;
            body.send_data(Bytes::from_static(b"begun"), false)?;
            wait_until_sent(&mut body, 5).await;
            body.send_reset(Reason::INTERNAL_ERROR);
        }
        ["fields", count] => {
            let count: usize = count.parse().expect("a number");
            let mut head = Response::new(());
            for number in 0..count {
                let name: http::HeaderName = format!("x-{number}").parse().expect("a name");
                head.headers_mut().insert(name, HeaderValue::from_static("v"));
            }
            respond.send_response(head, true)?;
        }
        ["long-field", bytes] => {
            let value = "v".repeat(bytes.parse().expect("a number"));
            send(respond, 200, &[("x-long", &value)], b"")?;
        }
        ["refuse"] => respond.send_reset(Reason::REFUSED_STREAM),
        ["early"] => send(respond, 200, &[], b"early")?,
        ["gate"] => {
            let permit = seen.gate.acquire().await.expect("never closed");
            permit.forget();
            send(respond, 200, &[], b"through")?;
        }
        // Neither takes the body nor answers.
        ["stall"] => {
            let _held = request.into_body();
            let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
            seen.given_up.fetch_add(1, Ordering::SeqCst);
        }
        _ => send(respond, 200, &[], b"hello")?,
    }
    Ok(())
}

fn send(
    mut respond: SendResponse<Bytes>,
    status: u16,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Result<(), h2::Error> {
    let mut head = Response::builder().status(status);
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    let mut stream = respond.send_response(head.body(()).expect("a head"), false)?;
    stream.send_data(Bytes::copy_from_slice(body), true)
}

/// Answers with the request: its method and fields as fields, its body, its trailers as trailers.
async fn mirror(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    let mut trailers = body.trailers().await?.unwrap_or_default();
    let mut answer = Response::builder().header("x-method", head.method.as_str());
    for (name, value) in &head.headers {
        answer = answer.header(format!("x-saw-{name}"), value);
    }
    let mut stream = respond.send_response(answer.body(()).expect("a head"), false)?;
    send_all(&mut stream, bytes.freeze()).await?;
    trailers.insert("x-target", HeaderValue::from_static("done"));
    stream.send_trailers(trailers)
}

async fn send_all(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let Some(room) = room.transpose()? else { return Ok(()) };
        stream.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}

/// Waits until `bytes` of window were used, so that what follows comes behind them.
async fn wait_until_sent(stream: &mut SendStream<Bytes>, bytes: usize) {
    let _ = bytes;
    stream.reserve_capacity(1);
    let _ = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// So that trailers can be written shortly.
pub(crate) fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (http::HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    list.iter().map(pair).collect()
}
