//! A gateway before services, and callers that reach them through it.

use std::net::SocketAddr;

use http::uri::PathAndQuery;
use tokio_stream::Stream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::authority::{Authority, Files};
use super::harness::Gateway;
use super::probe::{Answer, Ask, BOTH, DOWN, Probe, UNARY, UP};

/// The boot file of a gateway in clear text before `targets`. `group` is more of the group, `tables`
/// more of the file.
pub(crate) fn configuration(targets: &[SocketAddr], group: &str, tables: &str) -> String {
    let targets: Vec<_> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    let targets = targets.join(", ");
    format!(
        r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = [{targets}]
protocol = "h2"
{group}

[[api]]
name = "main"

[[api.route]]
key = "POST /shardgate.test.Probe/{{method}}"
upstream = "backend"

[[api.route]]
key = "POST /shardgate.test.Limited/Unary"
upstream = "backend"
throttle = {{ rate_per_second = 0.25, burst_count = 0 }}

{tables}
"#
    )
}

/// In clear text on both sides.
pub(crate) fn clear(targets: &[SocketAddr]) -> Gateway {
    Gateway::start(&configuration(targets, "", ""))
}

/// A service and a gateway, and a channel to it: in clear text on both sides, or over TLS.
pub(crate) struct Site {
    pub(crate) probe: Probe,
    pub(crate) gateway: Gateway,
    pub(crate) channel: Channel,
    _files: Option<Files>,
}

impl Site {
    pub(crate) async fn clear() -> Self {
        let probe = Probe::start().await;
        let gateway = clear(&[probe.address]);
        let channel = channel(&gateway).await;
        Self { probe, gateway, channel, _files: None }
    }

    /// The service does not look at `grpc-timeout`.
    pub(crate) async fn deaf() -> Self {
        let probe = Probe::start_deaf().await;
        let gateway = clear(&[probe.address]);
        let channel = channel(&gateway).await;
        Self { probe, gateway, channel, _files: None }
    }

    pub(crate) async fn tls() -> Self {
        let (authority, files) = (Authority::root("all"), Files::new());
        files.write("ca.pem", authority.pem());
        files.write_identity("gateway", &authority.server(&["a.example"]));
        files.write_identity("service", &authority.server(&["service.example"]));
        let read = |name: &str| std::fs::read_to_string(files.path(name)).expect("written");
        let probe = Probe::start_tls(&read("service.pem"), &read("service.key")).await;
        let ca = files.path("ca.pem");
        let tls = format!(
            "tls = {{ ca_file = \"{}\", server_name = \"service.example\" }}",
            ca.display()
        );
        let domain = format!(
            "[[domain]]\nnames = [\"a.example\"]\ncertificates = [{}]\n",
            files.pair("gateway")
        );
        let text = configuration(&[probe.address], &tls, &domain);
        let text = text.replacen(
            "address = \"127.0.0.1:0\"\n\n[[upstream]]",
            "address = \"127.0.0.1:0\"\ntls = true\n\n[[upstream]]",
            1,
        );
        let gateway = Gateway::start(&text);
        let trust = Certificate::from_pem(authority.pem());
        let tls = ClientTlsConfig::new().ca_certificate(trust).domain_name("a.example");
        let url = format!("https://a.example:{}", gateway.address("public").port());
        let endpoint = Endpoint::from_shared(url).expect("a URL").tls_config(tls).expect("trust");
        let address = gateway.address("public");
        let connect = tower::service_fn(move |_| async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        });
        let channel = endpoint.connect_with_connector(connect).await.expect("connected");
        Self { probe, gateway, channel, _files: Some(files) }
    }
}

/// A channel of one connection in clear text, with prior knowledge.
pub(crate) async fn channel(gateway: &Gateway) -> Channel {
    let url = format!("http://{}", gateway.address("public"));
    Endpoint::from_shared(url).expect("a URL").connect().await.expect("connected")
}

/// A client that takes messages of any size.
pub(crate) fn client(channel: &Channel) -> tonic::client::Grpc<Channel> {
    tonic::client::Grpc::new(channel.clone())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}

fn codec() -> ProstCodec<Ask, Answer> {
    ProstCodec::default()
}

pub(crate) async fn unary(
    channel: &Channel,
    ask: impl tonic::IntoRequest<Ask>,
) -> Result<Response<Answer>, Status> {
    unary_of(channel, ask, UNARY).await
}

pub(crate) async fn unary_of(
    channel: &Channel,
    ask: impl tonic::IntoRequest<Ask>,
    method: &'static str,
) -> Result<Response<Answer>, Status> {
    let mut client = client(channel);
    client.ready().await.map_err(|error| Status::unknown(format!("not ready: {error:?}")))?;
    client.unary(ask.into_request(), PathAndQuery::from_static(method), codec()).await
}

pub(crate) async fn down(
    channel: &Channel,
    ask: impl tonic::IntoRequest<Ask>,
) -> Result<Streaming<Answer>, Status> {
    let mut client = client(channel);
    client.ready().await.expect("a connection");
    let method = PathAndQuery::from_static(DOWN);
    let answers = client.server_streaming(ask.into_request(), method, codec()).await?;
    Ok(answers.into_inner())
}

pub(crate) async fn up(
    channel: &Channel,
    asks: impl Stream<Item = Ask> + Send + 'static,
) -> Result<Answer, Status> {
    let mut client = client(channel);
    client.ready().await.expect("a connection");
    let method = PathAndQuery::from_static(UP);
    let answer = client.client_streaming(Request::new(asks), method, codec()).await?;
    Ok(answer.into_inner())
}

pub(crate) async fn both(
    channel: &Channel,
    asks: impl Stream<Item = Ask> + Send + 'static,
) -> Result<Streaming<Answer>, Status> {
    let mut client = client(channel);
    client.ready().await.expect("a connection");
    let method = PathAndQuery::from_static(BOTH);
    let answers = client.streaming(Request::new(asks), method, codec()).await?;
    Ok(answers.into_inner())
}

pub(crate) fn numbered(number: u64) -> Ask {
    Ask { number, ..Ask::default() }
}
