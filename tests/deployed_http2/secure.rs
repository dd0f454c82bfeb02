//! HTTP/2 by ALPN, on custom domain names.

use serde_json::json;

use crate::client::Wants;
use crate::fields::block;
use crate::harness::{Echo, Managed, Request, eventually};
use crate::peer::{Answer, Http2};
use crate::setup::{Setup, TRUST_STORE, api_that_says, ask_for, create_domain, map, tls_address};

const A: &str = "a.example.com";
const MUTUAL: &str = "mutual.example.com";
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

fn connect(site: &Managed, wants: &Wants<'_>, name: &str) -> Http2 {
    let (client, agreed) =
        Http2::secure(tls_address(site), &wants.config(), name).expect("a handshake");
    assert_eq!(agreed.as_deref(), Some(&b"h2"[..]));
    client
}

fn get(client: &mut Http2, host: &str) -> Answer {
    client.request_to(host, "/x")
}

#[test]
fn custom_domains_speak_http2_and_its_connections_go_on_through_deployments() {
    let setup = Setup::new(&[A]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    ask_for(&site, &setup.wants(), A, 200);
    let mut client = connect(&site, &Wants { alpn: BOTH, ..setup.wants() }, A);
    assert_eq!(get(&mut client, A).text(), "one");
    let templates = json!({ "responseTemplates": { "application/json": "two" } });
    api.put_integration_response("/x", "GET", 200, templates);
    api.deploy("prod");
    eventually(|| match get(&mut client, A) {
        answer if answer.text() == "two" => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    assert_eq!(client.goaway, None);
}

#[test]
fn large_bodies_pass_inside_tls() {
    let setup = Setup::new(&[A]);
    let (site, echo) = (setup.start(), Echo::start());
    let api = site.create_rest_api();
    api.http_proxy("/x", "POST", &format!("http://{}/echo", echo.address()));
    api.deploy("prod");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    ask_for(&site, &setup.wants(), A, 403); // there is no GET
    let mut client = connect(&site, &Wants { alpn: BOTH, ..setup.wants() }, A);
    client.check_alive();
    let fields = [(":method", "POST"), (":scheme", "https"), (":authority", A), (":path", "/x")];
    let body: Vec<u8> = (0..1_500_000_u32).map(|at| (at % 251) as u8).collect();
    let stream = client.begin(block(&fields));
    client.send_body(stream, &body, true);
    assert!(client.answer(stream).body == body);
}

/// Browsers use a connection for other names that its certificate is good for: what such a name asks
/// of clients is asked all the same.
#[test]
fn a_connection_for_one_domain_does_not_reach_one_that_asks_for_more() {
    let setup = Setup::new(&[A, MUTUAL]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    map(&site, A, &api);
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE } });
    create_domain(&site, MUTUAL, mutual);
    map(&site, MUTUAL, &api);
    let partner = setup.clients.client("partner");
    ask_for(&site, &setup.wants().showing(&partner), MUTUAL, 200);
    ask_for(&site, &setup.wants(), A, 200);
    let mut client = connect(&site, &Wants { alpn: BOTH, ..setup.wants() }, A);
    for host in [MUTUAL, "MUTUAL.example.com", "mutual.example.com:443", "mutual.example.com."] {
        assert_eq!(get(&mut client, host).status, 421, "{host}");
    }
    assert_eq!(get(&mut client, A).text(), "one", "the connection goes on");
    let wants = Wants { alpn: BOTH, ..setup.wants().showing(&partner) };
    let mut trusted = connect(&site, &wants, MUTUAL);
    assert_eq!(get(&mut trusted, MUTUAL).text(), "one");
    assert_eq!(get(&mut trusted, A).text(), "one");
    let mut nobody = connect(&site, &Wants { alpn: BOTH, ..setup.wants() }, MUTUAL);
    assert_eq!(get(&mut nobody, MUTUAL).status, 403);
    assert_eq!(site.ask(&Request::get("/x").host(A)).status, 200);
}

/// The handshake was for one name, whatever streams come after it.
#[test]
fn a_strict_domain_takes_no_stream_of_another_domains_connection() {
    const STRICT: &str = "strict.example.com";
    let setup = Setup::new(&[A, STRICT]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domain(&site, A, json!({}));
    let strict = json!({
        "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09", "endpointAccessMode": "STRICT",
    });
    create_domain(&site, STRICT, strict);
    for name in [A, STRICT] {
        map(&site, name, &api);
        ask_for(&site, &setup.wants(), name, 200);
    }
    let wants = Wants { alpn: BOTH, ..setup.wants() };
    let mut client = connect(&site, &wants, A);
    assert_eq!(get(&mut client, STRICT).status, 421);
    assert_eq!(get(&mut client, A).text(), "one", "the connection goes on");
    let mut own = connect(&site, &wants, STRICT);
    assert_eq!(get(&mut own, STRICT).text(), "one");
}
