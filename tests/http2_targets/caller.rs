//! A client of the gateway that speaks HTTP/2.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, Request, Response};

/// A connection, on a runtime of its own.
pub(crate) struct Caller {
    runtime: tokio::runtime::Runtime,
    send: SendRequest<Bytes>,
}

/// A request on its way.
pub(crate) struct Call {
    answer: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) interim: Vec<u16>,
    pub(crate) head: Response<()>,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    /// Why it was cut.
    pub(crate) cut: Option<Reason>,
}

impl Caller {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let send = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.expect("connected");
            let (send, connection) = h2::client::handshake(stream).await.expect("a connection");
            tokio::spawn(async move {
                let _ = connection.await;
            });
            send
        });
        Self { runtime, send }
    }

    /// Sends a head alone.
    pub(crate) fn begin(&mut self, method: &str, path: &str) -> Call {
        self.begin_with(method, path, &[("te", "trailers")])
    }

    /// The same with these fields.
    pub(crate) fn begin_with(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Call {
        let uri = format!("http://a{path}");
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let send = &mut self.send;
        let (answer, body) = self.runtime.block_on(async {
            let mut ready = send.clone().ready().await.expect("a connection");
            ready.send_request(request, false).expect("sent")
        });
        Call { answer, body }
    }

    /// Sends a GET, which has no body.
    pub(crate) fn begin_get(&mut self, path: &str) -> Call {
        let request = Request::builder().uri(format!("http://a{path}")).body(());
        let request = request.expect("a request");
        let send = &mut self.send;
        let (answer, body) = self.runtime.block_on(async {
            let mut ready = send.clone().ready().await.expect("a connection");
            ready.send_request(request, true).expect("sent")
        });
        Call { answer, body }
    }

    pub(crate) fn end(&mut self, call: Call) -> Result<Came, h2::Error> {
        let Call { mut answer, body: _body } = call;
        self.runtime.block_on(async {
            let mut interim = Vec::new();
            let head = loop {
                let next = std::future::poll_fn(|context| {
                    if let std::task::Poll::Ready(Some(head)) = answer.poll_informational(context) {
                        return std::task::Poll::Ready(head.map(Err));
                    }
                    std::pin::Pin::new(&mut answer).poll(context).map(|head| head.map(Ok))
                });
                match next.await? {
                    Ok(head) => break head,
                    Err(early) => interim.push(early.status().as_u16()),
                }
            };
            let (parts, mut body) = head.into_parts();
            let (mut bytes, mut cut) = (BytesMut::new(), None);
            while let Some(piece) = body.data().await {
                match piece {
                    Ok(piece) => {
                        let _ = body.flow_control().release_capacity(piece.len());
                        bytes.extend_from_slice(&piece);
                    }
                    Err(error) => {
                        cut = Some(error.reason().unwrap_or(Reason::CONNECT_ERROR));
                        break;
                    }
                }
            }
            let trailers = match cut {
                None => body.trailers().await?.unwrap_or_default(),
                Some(_) => HeaderMap::new(),
            };
            let head = Response::from_parts(parts, ());
            Ok(Came { interim, head, body: bytes.freeze(), trailers, cut })
        })
    }

    /// Sends a request with its body and trailers, and reads the answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        body: &'static [u8],
        trailers: Option<HeaderMap>,
    ) -> Result<Came, h2::Error> {
        let mut call = self.begin(method, path);
        call.body.send_data(Bytes::from_static(body), trailers.is_none())?;
        if let Some(trailers) = trailers {
            call.body.send_trailers(trailers)?;
        }
        self.end(call)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Came, h2::Error> {
        let call = self.begin_get(path);
        self.end(call)
    }
}

impl Came {
    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).and_then(|value| value.to_str().ok())
    }
}
