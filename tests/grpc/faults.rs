//! Errors of the gateway's own, as a gRPC client hears of them.

use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::authority::{Authority, Files};
use super::harness::Gateway;
use super::probe::{Ask, Probe};
use super::site::{Site, channel, clear, configuration, numbered, unary, unary_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_takes_is_unimplemented() {
    let site = Site::clear().await;
    let status = unary_of(&site.channel, numbered(1), "/other.Service/Method").await;
    let status = status.expect_err("no route");
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "Not Found"));
    assert!(status.metadata().contains_key("apigw-requestid"), "{status:?}");
    // The service has its own word for what it does not have.
    let status = unary_of(&site.channel, numbered(1), "/shardgate.test.Probe/Other").await;
    assert_eq!(status.expect_err("no method").code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_throttled_is_resource_exhausted() {
    let site = Site::clear().await;
    let status = unary_of(&site.channel, numbered(1), "/shardgate.test.Limited/Unary").await;
    assert_eq!(status.expect_err("throttled").code(), Code::ResourceExhausted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_above_the_limit_is_resource_exhausted() {
    let probe = Probe::start().await;
    let text = configuration(&[probe.address], "", "[limits]\nbody_bytes_max = 1_000\n");
    let gateway = Gateway::start(&text);
    let channel = channel(&gateway).await;
    let ask = Ask { payload: vec![1; 2_000], ..Ask::default() };
    let status = unary(&channel, ask).await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    unary(&channel, numbered(1)).await.expect("the connection stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_target_is_unavailable() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = socket.local_addr().expect("bound");
    drop(socket);
    let gateway = clear(&[nobody]);
    let channel = channel(&gateway).await;
    let status = unary(&channel, numbered(1)).await.expect_err("nobody is there");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_certificate_is_denied() {
    let (authority, files) = (Authority::root("all"), Files::new());
    files.write("ca.pem", authority.pem());
    files.write_identity("gateway", &authority.server(&["a.example"]));
    let probe = Probe::start().await;
    let domain = format!(
        "[[domain]]\nnames = [\"a.example\"]\ncertificates = [{}]\nmutual_tls = \
         {{ trust_store_file = \"{}\", on_invalid = \"403\" }}\n",
        files.pair("gateway"),
        files.path("ca.pem").display()
    );
    let text = configuration(&[probe.address], "", &domain);
    let gateway = Gateway::start(&text.replacen(
        "address = \"127.0.0.1:0\"\n\n[[upstream]]",
        "address = \"127.0.0.1:0\"\ntls = true\n\n[[upstream]]",
        1,
    ));
    let trust = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("a.example");
    let address = gateway.address("public");
    let url = format!("https://a.example:{}", address.port());
    let connect = tower::service_fn(move |_| async move {
        let stream = tokio::net::TcpStream::connect(address).await?;
        Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
    });
    let endpoint = Endpoint::from_shared(url).expect("a URL").tls_config(trust).expect("trust");
    let channel = endpoint.connect_with_connector(connect).await.expect("connected");
    let status = unary(&channel, numbered(1)).await.expect_err("no certificate");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
}
