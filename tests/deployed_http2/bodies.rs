//! Bodies over HTTP/2.

use serde_json::json;

use crate::harness::{Echo, Managed, Request, Upstream};
use crate::peer::{Answer, Http2};
use crate::requests::{assert_fit, head, post, received};

/// Neither of one byte over and over, nor of text.
fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn large_bodies_pass_both_ways() {
    let (site, echo) = (Managed::start(), Echo::start());
    let uri = format!("http://{}/echo", echo.address());
    let rest = site.create_rest_api();
    rest.http_proxy("/x", "POST", &uri);
    rest.deploy("prod");
    rest.ask_for(200, &Request::post("/prod/x", "short"));
    let http = site.create_http_api(json!({}));
    http.proxy("POST /x", &uri);
    http.create_default_stage();
    http.ask_for(200, &Request::post("/x", "short"));
    let mut client = Http2::connect(site.gateway());
    client.check_alive();
    for (host, path) in [(rest.host(), "/prod/x"), (http.host(), "/x")] {
        for bytes in [0, 1, 16_384, 65_536, 2_000_003] {
            let body = noise(bytes);
            let answer = post(&mut client, &host, path, &[], &body);
            assert_eq!(answer.status, 200, "{host} {bytes}");
            assert!(answer.body == body, "{host}: {} of {bytes}", answer.body.len());
        }
    }
}

/// A mapping looks into the body, so it is read whole, and goes on with its length.
#[test]
fn a_body_that_a_mapping_reads_passes_too() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "POST", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "POST", "uri": format!("http://{}/", backend.address()),
        "requestParameters": { "integration.request.header.X-Name": "method.request.body.name" },
    });
    api.put_integration("/x", "POST", integration);
    api.deploy("prod");
    api.ask_for(200, &Request::post("/prod/x", "{}"));
    let mut client = Http2::connect(site.gateway());
    client.check_alive();
    let body = format!(r#"{{"name":"Rex","padding":"{}"}}"#, "x".repeat(100_000));
    let answer = post(&mut client, &api.host(), "/prod/x", &[], body.as_bytes());
    let seen = received(&answer);
    assert_eq!(seen.header("x-name").as_deref(), Some("Rex"));
    assert_eq!(seen.header("content-length"), Some(body.len().to_string()));
    assert!(seen.body == body.as_bytes());
    let answer = post(&mut client, &api.host(), "/prod/x", &[], b"{\"name\":");
    assert_fit(&answer);
    assert_eq!(
        (answer.status, answer.text()),
        (400, r#"{"message":"Invalid JSON in request body"}"#)
    );
}

/// Told in its length, and found out while it comes.
#[test]
fn a_body_of_more_than_10_mib_is_refused() {
    const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
    let (site, echo) = (Managed::start(), Echo::start());
    let rest = site.create_rest_api();
    rest.http_proxy("/x", "POST", &format!("http://{}/echo", echo.address()));
    rest.deploy("prod");
    rest.ask_for(200, &Request::post("/prod/x", "short"));
    let mut client = Http2::connect(site.gateway());
    client.check_alive();
    let length = (BODY_BYTES_MAX + 1).to_string();
    let told = [("content-length", &*length)];
    let stream = client.begin(head(&rest.host(), "POST", "/prod/x", &told));
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.text()), (413, r#"{"message":"Request Too Long"}"#));
    client.check_alive();
    let answer = grow(&mut client, &rest.host(), BODY_BYTES_MAX);
    assert!(answer.status == 413 || answer.reset.is_some(), "{}", answer.status);
    assert_eq!(post(&mut client, &rest.host(), "/prod/x", &[], b"fits").text(), "fits");
}

/// Sends more than `bytes_max` in pieces, as long as the gateway takes them.
fn grow(client: &mut Http2, host: &str, bytes_max: usize) -> Answer {
    let stream = client.begin(head(host, "POST", "/prod/x", &[]));
    let piece = noise(65_536);
    for _ in 0..=bytes_max / piece.len() {
        let so_far = client.so_far(stream);
        if so_far.reset.is_some() || so_far.status == 413 {
            break;
        }
        client.send_body(stream, &piece, false);
    }
    client.wait(stream, "a refusal", |one| one.reset.is_some() || one.status == 413)
}
