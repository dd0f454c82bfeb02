//! A ready-made service: health checks of gRPC, with its streaming `Watch`.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::authority::{Authority, Files};
use super::harness::Gateway;
use super::probe::Probe;
use super::site::{channel, configuration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ready_made_service_is_reached() {
    let probe = Probe::start().await;
    let route = "[[api.route]]\nkey = \"POST /grpc.health.v1.Health/{method}\"\n\
                 upstream = \"backend\"\n";
    let gateway = Gateway::start(&configuration(&[probe.address], "", route));
    let mut client = HealthClient::new(channel(&gateway).await);
    let answer = client.check(HealthCheckRequest::default()).await.expect("an answer");
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    let mut answers =
        client.watch(HealthCheckRequest::default()).await.expect("a stream").into_inner();
    let first = answers.message().await.expect("no error").expect("an answer");
    assert_eq!(first.status(), ServingStatus::Serving);
}

/// The gateway asks the same service whether a target is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_may_be_checked_by_grpc() {
    let (mut reporter, health) = tonic_health::server::health_reporter();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(health);
    tokio::spawn(server.serve_with_incoming(incoming));
    reporter.set_service_status("shop.Orders", tonic_health::ServingStatus::Serving).await;
    let checks = "health = { interval_ms = 500, timeout_ms = 500, unhealthy_count = 1, \
                  healthy_count = 1, grpc_service = \"shop.Orders\" }";
    let gateway = Gateway::start(&configuration(&[address], checks, ""));
    gateway.wait_for_log("a verdict", |line| line["message"] == "healthy");
    reporter.set_service_status("shop.Orders", tonic_health::ServingStatus::NotServing).await;
    let line = gateway.wait_for_log("a verdict", |line| line["message"] == "unhealthy");
    assert!(line["error"].to_string().contains("does not serve"), "{line}");
    reporter.clear_service_status("shop.Orders").await;
    reporter.set_service_status("shop.Orders", tonic_health::ServingStatus::Serving).await;
    gateway.wait_for_log_times(2, |line| line["message"] == "healthy");
}

/// Over TLS, which the group asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_go_over_tls_as_requests_do() {
    let (authority, files) = (Authority::root("all"), Files::new());
    files.write("ca.pem", authority.pem());
    files.write_identity("service", &authority.server(&["service.example"]));
    let read = |name: &str| std::fs::read_to_string(files.path(name)).expect("written");
    let probe = Probe::start_tls(&read("service.pem"), &read("service.key")).await;
    let tls = |name: &str| {
        format!(
            "tls = {{ ca_file = \"{}\", server_name = \"{name}\" }}\nhealth = {{ interval_ms = 500, \
             timeout_ms = 500, unhealthy_count = 1, grpc_service = \"\" }}",
            files.path("ca.pem").display()
        )
    };
    let group = tls("service.example");
    let gateway = Gateway::start(&configuration(&[probe.address], &group, ""));
    gateway.wait_for_log("a verdict", |line| line["message"] == "healthy");
    let group = tls("other.example");
    gateway.rewrite(&configuration(&[probe.address], &group, ""));
    gateway.signal("HUP");
    let line = gateway.wait_for_log("a verdict", |line| line["message"] == "unhealthy");
    assert!(line["error"].to_string().contains("certificate"), "{line}");
}
