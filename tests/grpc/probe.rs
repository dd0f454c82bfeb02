//! The service that the tests call: it does what a message says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::{Grpc, NamedService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// What a caller wants.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ask {
    /// Comes back in the answer.
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
    /// How many answers a stream has.
    #[prost(uint64, tag = "3")]
    pub(crate) count: u64,
    /// The status that the call ends with, behind all answers.
    #[prost(int32, tag = "4")]
    pub(crate) code: i32,
    /// Its message.
    #[prost(string, tag = "5")]
    pub(crate) text: String,
    /// The call never ends by itself.
    #[prost(bool, tag = "6")]
    pub(crate) hangs: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Answer {
    #[prost(uint64, tag = "1")]
    pub(crate) number: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
}

pub(crate) const UNARY: &str = "/shardgate.test.Probe/Unary";
pub(crate) const DOWN: &str = "/shardgate.test.Probe/Down";
pub(crate) const UP: &str = "/shardgate.test.Probe/Up";
pub(crate) const BOTH: &str = "/shardgate.test.Probe/Both";

/// What the service has seen.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A call has begun, and its message has come whole.
    Begun(&'static str),
    /// The caller gave up a call that hung.
    GivenUp,
}

/// The service on a port of its own.
pub(crate) struct Probe {
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Probe {
    /// In clear text.
    pub(crate) async fn start() -> Self {
        Self::serve(Server::builder()).await
    }

    /// Over TLS.
    pub(crate) async fn start_tls(certificate: &str, key: &str) -> Self {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Self::serve(Server::builder().tls_config(tls).expect("a certificate")).await
    }

    /// As `server` says.
    pub(crate) async fn serve(mut server: Server) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (events, received) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (_, health) = tonic_health::server::health_reporter();
        let router = server.add_service(ProbeService { events }).add_service(health);
        let incoming = TcpListenerStream::new(listener);
        let serving = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            let _ = router.serve_with_incoming_shutdown(incoming, stopped).await;
        });
        Self { address, events: received, stop: Some(stop), serving }
    }

    /// In clear text, without tonic's server, which would look at `grpc-timeout` itself.
    pub(crate) async fn start_deaf() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (events, received) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = ProbeService { events: events.clone() };
                let call = hyper::service::service_fn(move |request: http::Request<_>| {
                    service.clone().call(request.map(Body::new))
                });
                let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http2.serve_connection(TokioIo::new(stream), call));
            }
        });
        Self { address, events: received, stop: None, serving }
    }

    /// Takes no more calls: a GOAWAY on each connection. Calls under way go on.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Ends after [`Probe::stop`] when the last call has ended.
    pub(crate) async fn stopped(self) {
        self.serving.await.expect("the service ends well");
    }

    pub(crate) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(super::harness::HANG_GUARD, self.events.recv()).await;
        event.expect("an event in time").expect("the service lives")
    }
}

#[derive(Clone)]
struct ProbeService {
    events: mpsc::UnboundedSender<Event>,
}

impl NamedService for ProbeService {
    const NAME: &'static str = "shardgate.test.Probe";
}

type Answers = Pin<Box<dyn Stream<Item = Result<Answer, Status>> + Send>>;

impl Service<http::Request<Body>> for ProbeService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let events = self.events.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Answer, Ask>::default())
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(usize::MAX)
                .max_encoding_message_size(usize::MAX);
            let path = request.uri().path().to_owned();
            Ok(match path.as_str() {
                UNARY => {
                    grpc.unary(service_fn(move |ask| unary(ask, events.clone())), request).await
                }
                DOWN => {
                    let down = service_fn(move |ask| down(ask, events.clone()));
                    grpc.server_streaming(down, request).await
                }
                UP => grpc.client_streaming(service_fn(up), request).await,
                BOTH => grpc.streaming(service_fn(both), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// Says that it was dropped.
struct Dropped(mpsc::UnboundedSender<Event>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(Event::GivenUp);
    }
}

async fn unary(
    ask: Request<Ask>,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Response<Answer>, Status> {
    let _ = events.send(Event::Begun(UNARY));
    let metadata = echoed(ask.metadata());
    let ask = ask.into_inner();
    if ask.hangs {
        let _dropped = Dropped(events);
        std::future::pending::<()>().await;
    }
    status_of(&ask)?;
    let answer = Answer { number: ask.number, payload: ask.payload };
    Ok(Response::from_parts(metadata, answer, http::Extensions::new()))
}

async fn down(
    ask: Request<Ask>,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Response<Answers>, Status> {
    let _ = events.send(Event::Begun(DOWN));
    let ask = ask.into_inner();
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0..ask.count {
            let answer = Answer { number, payload: ask.payload.clone() };
            if send.send(Ok(answer)).await.is_err() {
                let _ = events.send(Event::GivenUp);
                return;
            }
        }
        if ask.hangs {
            send.closed().await;
            let _ = events.send(Event::GivenUp);
        } else if let Err(status) = status_of(&ask) {
            let _ = send.send(Err(status)).await;
        }
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
}

async fn up(asks: Request<Streaming<Ask>>) -> Result<Response<Answer>, Status> {
    let mut asks = asks.into_inner();
    let (mut count, mut bytes) = (0, 0_u64);
    while let Some(ask) = asks.next().await {
        let ask = ask?;
        if ask.count == 1 {
            // Has heard enough.
            return Ok(Response::new(Answer { number: count, payload: Vec::new() }));
        }
        status_of(&ask)?;
        count += 1;
        bytes += ask.payload.len() as u64;
    }
    Ok(Response::new(Answer { number: count, payload: bytes.to_be_bytes().to_vec() }))
}

async fn both(asks: Request<Streaming<Ask>>) -> Result<Response<Answers>, Status> {
    let answers = asks.into_inner().map(|ask| {
        let ask = ask?;
        status_of(&ask)?;
        Ok(Answer { number: ask.number, payload: ask.payload })
    });
    Ok(Response::new(Box::pin(answers)))
}

fn status_of(ask: &Ask) -> Result<(), Status> {
    match Code::from_i32(ask.code) {
        Code::Ok => Ok(()),
        code => {
            let mut metadata = MetadataMap::new();
            metadata.insert("x-trailer", MetadataValue::from_static("behind"));
            metadata.insert_bin("x-trailer-bin", MetadataValue::from_bytes(&[0, 1, 254, 255]));
            Err(Status::with_metadata(code, ask.text.clone(), metadata))
        }
    }
}

/// Everything that came as `x-ask...` goes back as `x-answer...`.
fn echoed(asked: &MetadataMap) -> MetadataMap {
    let mut answered = http::HeaderMap::new();
    for (name, value) in &asked.clone().into_headers() {
        if let Some(rest) = name.as_str().strip_prefix("x-ask") {
            let name: http::HeaderName = format!("x-answer{rest}").parse().expect("a name");
            answered.append(name, value.clone());
        }
    }
    MetadataMap::from_headers(answered)
}
