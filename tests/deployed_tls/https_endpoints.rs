//! Integrations whose endpoint is `https://`.

use serde_json::{Value as Json, json};

use crate::authority::{Authority, Files, Identity};
use crate::backend::{Seen, TlsBackend};
use crate::harness::{Answer, Gateway, HttpApi, Managed, Request, RestApi, replace};

const BOOT: &str = r#"
[management]
address = "127.0.0.1:0"
store = "{dir}/state.redb"

[[listener]]
name = "public"
address = "127.0.0.1:0"
"#;

/// A gateway on a machine that believes `authority`.
fn believing(authority: &Authority, files: &Files) -> Managed {
    files.write("roots.pem", authority.pem());
    let roots = files.path("roots.pem");
    Managed::of(Gateway::launch(BOOT, |command| {
        command.env("SSL_CERT_FILE", roots);
    }))
}

/// A REST API whose `GET /x` goes to `uri`.
fn rest_api<'g>(site: &'g Managed, uri: &str, tls_config: Json) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration =
        json!({ "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri, "tlsConfig": tls_config });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    api
}

/// An HTTP API whose `GET /x` goes to `uri`, with `more` members of the integration.
fn http_api<'g>(site: &'g Managed, uri: &str, more: Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    api.create_route("GET /x", &api.create_proxy(uri, more));
    api.create_default_stage();
    api
}

fn insecure() -> Json {
    json!({ "insecureSkipVerification": true })
}

fn url(backend: &TlsBackend) -> String {
    format!("https://{}/y", backend.address())
}

#[track_caller]
fn assert_failed(answer: &Answer) {
    assert_eq!(answer.header("x-amzn-errortype"), Some("InternalServerErrorException"));
    assert_eq!(answer.text(), r#"{"message": "Network error communicating with endpoint"}"#);
}

/// What the log says of the session with a target that was not believed.
fn reason(site: &Managed) -> String {
    let line = site
        .gateway()
        .wait_for_log("a warning", |line| line["message"] == "no TLS session with a target");
    line["reason"].as_str().expect("a reason").to_owned()
}

#[test]
fn an_endpoint_whose_issuer_is_believed_is_asked() {
    let (authority, files) = (Authority::root("roots"), Files::new());
    let backend = TlsBackend::start(&authority.server(&["127.0.0.1", "localhost"]));
    let site = believing(&authority, &files);
    let api = rest_api(&site, &url(&backend), json!({}));
    let seen = Seen::of(&api.ask_for(200, &Request::get("/prod/x?q=1")));
    assert!(seen.head.starts_with("GET /y?q=1 HTTP/1.1\r\n"), "{}", seen.head);
    assert!(seen.head.contains(&format!("\r\nHost: {}\r\n", backend.address())), "{}", seen.head);
    assert_eq!((seen.server_name, seen.certificate), (None, None), "an address is no name");
    // `localhost` may have an address where nobody listens (::1): the other one is asked then.
    let uri = format!("https://localhost:{}/y", backend.address().port());
    let by_name = rest_api(&site, &uri, json!({}));
    let seen = Seen::of(&by_name.ask_for(200, &Request::get("/prod/x")));
    assert_eq!(seen.server_name.as_deref(), Some("localhost"));
    assert!(seen.head.contains("\r\nHost: localhost:"), "{}", seen.head);
    // Its connections are kept.
    let connections = backend.connections_count();
    for _ in 0..3 {
        assert_eq!(by_name.ask(&Request::get("/prod/x")).status, 200);
    }
    assert_eq!(backend.connections_count(), connections);
}

/// "insecureSkipVerification": the issuer may be anyone, "basic certificate validation" stays.
#[test]
fn an_issuer_that_nobody_knows_is_believed_only_where_that_is_said() {
    let strangers = Authority::root("strangers");
    let backend = TlsBackend::start(&strangers.server(&["127.0.0.1"]));
    let site = Managed::start();
    let strict = rest_api(&site, &url(&backend), json!({}));
    assert_failed(&strict.ask_for(504, &Request::get("/prod/x")));
    assert!(reason(&site).contains("UnknownIssuer"), "{}", reason(&site));
    let lenient = rest_api(&site, &url(&backend), insecure());
    assert!(Seen::of(&lenient.ask_for(200, &Request::get("/prod/x"))).head.starts_with("GET /y "));
    // The two do not share a connection.
    assert_failed(&strict.ask(&Request::get("/prod/x")));
}

#[test]
fn name_and_time_count_even_then() {
    let strangers = Authority::root("strangers");
    let wrong: [(&str, Identity); 2] = [
        ("NotValidForName", strangers.server(&["b.example"])),
        ("Expired", strangers.server_for(&["127.0.0.1"], -60)),
    ];
    for (what, identity) in wrong {
        let (backend, site) = (TlsBackend::start(&identity), Managed::start());
        let api = rest_api(&site, &url(&backend), insecure());
        assert_failed(&api.ask_for(504, &Request::get("/prod/x")));
        assert!(reason(&site).contains(what), "{what}: {}", reason(&site));
    }
}

#[test]
fn verification_is_live_with_a_deployment() {
    let strangers = Authority::root("strangers");
    let backend = TlsBackend::start(&strangers.server(&["127.0.0.1"]));
    let site = Managed::start();
    let api = rest_api(&site, &url(&backend), json!({}));
    api.ask_for(504, &Request::get("/prod/x"));
    let path = api.method_path("/x", "GET") + "/integration";
    let skip = replace("/tlsConfig/insecureSkipVerification", "true");
    site.management().patch(&path, &[skip]);
    assert_eq!(api.ask(&Request::get("/prod/x")).status, 504, "not deployed yet");
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
}

/// "tlsConfig" of HTTP APIs: the name is what is verified, and what the handshake is for.
#[test]
fn an_http_api_verifies_the_name_that_it_is_told() {
    let (authority, files) = (Authority::root("roots"), Files::new());
    let backend = TlsBackend::start(&authority.server(&["b.example"]));
    let site = believing(&authority, &files);
    let named = |name: &str| json!({ "tlsConfig": { "serverNameToVerify": name } });
    let api = http_api(&site, &url(&backend), named("b.example"));
    let seen = Seen::of(&api.ask_for(200, &Request::get("/x")));
    assert_eq!(seen.server_name.as_deref(), Some("b.example"));
    let host = format!("host: {}\r\n", backend.address());
    assert!(seen.head.to_ascii_lowercase().contains(&host), "the URL's: {}", seen.head);
    for more in [named("c.example"), json!({})] {
        let api = http_api(&site, &url(&backend), more);
        let answer = api.ask_for(503, &Request::get("/x"));
        assert_eq!(answer.text(), r#"{"message":"Service Unavailable"}"#);
    }
}

#[test]
fn an_http_api_believes_no_stranger() {
    let strangers = Authority::root("strangers");
    let backend = TlsBackend::start(&strangers.server(&["127.0.0.1"]));
    let site = Managed::start();
    let api = http_api(&site, &url(&backend), json!({}));
    let answer = api.ask_for(503, &Request::get("/x"));
    assert_eq!(answer.text(), r#"{"message":"Service Unavailable"}"#);
    assert!(reason(&site).contains("UnknownIssuer"), "{}", reason(&site));
}
