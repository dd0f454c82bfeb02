//! Custom domain names whose clients must show certificates.

use std::sync::Arc;

use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;

use crate::authority::{Authority, Identity};
use crate::client::TlsClient;
use crate::harness::{Managed, Received, Request, RestApi, Upstream, eventually, replace};
use crate::setup::{
    Setup, TRUST_STORE, api_that_says, ask, ask_for, ask_in_vain, create_domain, map, patch,
    tls_address,
};

const MUTUAL: &str = "mutual.example.com";
const OPEN: &str = "open.example.com";

/// `mutual.example.com`, which asks for certificates, and `open.example.com`, which does not, both
/// to `api`.
fn create_domains(site: &Managed, api: &RestApi<'_>) {
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE } });
    create_domain(site, MUTUAL, mutual);
    map(site, MUTUAL, api);
    create_domain(site, OPEN, json!({}));
    map(site, OPEN, api);
}

#[test]
fn clients_with_a_trusted_certificate_are_served_and_no_others() {
    let setup = Setup::new(&[MUTUAL, OPEN]);
    let site = setup.start();
    create_domains(&site, &api_that_says(&site, "one"));
    let partner = setup.clients.client("partner");
    ask_for(&site, &setup.wants(), OPEN, 200);
    assert_eq!(ask_for(&site, &setup.wants().showing(&partner), MUTUAL, 200).text(), "one");
    let refused = ask_for(&site, &setup.wants(), MUTUAL, 403);
    assert_eq!(refused.text(), r#"{"message":"Forbidden"}"#);
    let strangers: [(&str, Identity); 4] = [
        ("of another authority", Authority::root("clients").client("partner")),
        ("self-signed", Identity::self_signed()),
        ("expired", setup.clients.issue(|one| one.not_after = date_time_ymd(2025, 6, 1))),
        ("not yet valid", setup.clients.issue(|one| one.not_before = date_time_ymd(2089, 6, 1))),
    ];
    for (what, identity) in &strangers {
        let wants = setup.wants().showing(identity);
        assert_eq!(ask(&site, &wants, MUTUAL, MUTUAL).expect(what).status, 403, "{what}");
        assert_eq!(ask(&site, &wants, OPEN, OPEN).expect(what).status, 200, "{what}");
    }
}

/// Neither another domain's handshake nor plain HTTP goes around it.
#[test]
fn there_is_no_way_around_the_certificate() {
    let setup = Setup::new(&[MUTUAL, OPEN]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    create_domains(&site, &api);
    ask_for(&site, &setup.wants(), OPEN, 200);
    let partner = setup.clients.client("partner");
    ask_for(&site, &setup.wants().showing(&partner), MUTUAL, 200);
    for host in [MUTUAL, "MUTUAL.example.com", "mutual.example.com:8443", "mutual.example.com."] {
        let answer = ask(&site, &setup.wants(), OPEN, host).expect("an answer");
        assert!(matches!(answer.status, 403 | 421), "{host}: {}", answer.head);
        let answer = site.ask(&Request::get("/x").host(host));
        assert_eq!(answer.status, 403, "{host}: {}", answer.head);
        let absolute = Request::get(&format!("http://{host}/x")).host(OPEN);
        assert!(matches!(site.ask(&absolute).status, 400 | 403), "{host}");
    }
    // A certificate that nobody asked for is none.
    let wants = setup.wants().showing(&partner);
    assert!(matches!(ask(&site, &wants, OPEN, MUTUAL).expect("an answer").status, 403 | 421));
    // What the default endpoint leads to, `disableExecuteApiEndpoint` closes.
    assert_eq!(api.ask(&Request::get("/prod/x")).status, 200);
    site.management().patch(&api.path(""), &[replace("/disableExecuteApiEndpoint", "true")]);
    api.deploy("prod");
    api.ask_for(403, &Request::get("/prod/x"));
    ask_for(&site, &setup.wants().showing(&partner), MUTUAL, 200);
}

#[test]
fn what_the_certificate_says_reaches_the_backend() {
    let setup = Setup::new(&[MUTUAL, OPEN]);
    let (site, backend) = (setup.start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Subject": "context.identity.clientCert.subjectDN",
            "integration.request.header.X-Issuer": "context.identity.clientCert.issuerDN",
            "integration.request.header.X-Serial": "context.identity.clientCert.serialNumber",
            "integration.request.header.X-Begin": "context.identity.clientCert.validity.notBefore",
            "integration.request.header.X-End": "context.identity.clientCert.validity.notAfter",
            "integration.request.querystring.pem": "context.identity.clientCert.clientCertPem",
        },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    create_domains(&site, &api);
    let partner = setup.clients.client("partner");
    let forged = "X-Subject: CN=forged\r\nX-Issuer: CN=forged\r\n";
    let received = |wants: &crate::client::Wants<'_>, name: &str| {
        ask_for(&site, wants, name, 200);
        let mut client = TlsClient::connect(tls_address(&site), &wants.config(), name);
        client.send(format!("GET /x HTTP/1.1\r\nhost: {name}\r\n{forged}\r\n"));
        Received::of(&client.answer_to("GET"))
    };
    let told = received(&setup.wants().showing(&partner), MUTUAL);
    for (name, value) in [
        ("x-subject", "CN=partner"),
        ("x-issuer", "CN=clients"),
        ("x-begin", "Jan  1 00:00:00 2025 GMT"),
        ("x-end", "Jan  1 00:00:00 2090 GMT"),
    ] {
        assert_eq!(told.header(name).as_deref(), Some(value), "{name}: {}", told.head);
    }
    assert!(told.header("x-serial").is_some_and(|serial| serial.contains(':')), "{}", told.head);
    let pem = "pem=-----BEGIN%20CERTIFICATE-----%0A";
    assert!(told.target().contains(pem), "{}", told.target());
    // Where nobody is asked for a certificate there is none to tell of.
    let none = received(&setup.wants().showing(&partner), OPEN);
    assert_eq!((none.header("x-serial"), none.target()), (None, "/"), "{}", none.head);
}

#[test]
fn mutual_tls_is_turned_on_and_off_without_a_restart() {
    let setup = Setup::new(&[OPEN]);
    let site = setup.start();
    create_domain(&site, OPEN, json!({}));
    map(&site, OPEN, &api_that_says(&site, "one"));
    let mut before = {
        ask_for(&site, &setup.wants(), OPEN, 200);
        TlsClient::connect(tls_address(&site), &setup.wants().config(), OPEN)
    };
    assert_eq!(before.get(OPEN, "/x").status, 200);
    patch(&site, OPEN, &[replace("/mutualTlsAuthentication/truststoreUri", TRUST_STORE)]);
    ask_for(&site, &setup.wants(), OPEN, 403);
    // Nor does a connection that was made before they were asked for.
    let answer = before.try_get(OPEN, "/x");
    assert!(answer.is_err() || answer.is_ok_and(|answer| matches!(answer.status, 403 | 421)));
    let partner = setup.clients.client("partner");
    ask_for(&site, &setup.wants().showing(&partner), OPEN, 200);
    patch(&site, OPEN, &[replace("/mutualTlsAuthentication/truststoreUri", "")]);
    ask_for(&site, &setup.wants(), OPEN, 200);
}

#[test]
fn a_trust_store_that_changes_lets_others_in() {
    let setup = Setup::new(&[MUTUAL]);
    let site = setup.start();
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE } });
    create_domain(&site, MUTUAL, mutual);
    map(&site, MUTUAL, &api_that_says(&site, "one"));
    let (old, others) = (setup.clients.client("old"), Authority::root("others"));
    let new = others.client("new");
    ask_for(&site, &setup.wants().showing(&old), MUTUAL, 200);
    ask_for(&site, &setup.wants().showing(&new), MUTUAL, 403);
    setup.files.write("clients.pem", others.pem());
    site.gateway().signal("HUP");
    ask_for(&site, &setup.wants().showing(&new), MUTUAL, 200);
    ask_for(&site, &setup.wants().showing(&old), MUTUAL, 403);
}

#[test]
fn a_trust_store_that_nothing_stands_for_closes_the_domain() {
    let setup = Setup::new(&[MUTUAL, OPEN]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": "s3://other/store.pem" } });
    create_domain(&site, MUTUAL, mutual);
    map(&site, MUTUAL, &api);
    create_domain(&site, OPEN, json!({}));
    map(&site, OPEN, &api);
    ask_for(&site, &setup.wants(), OPEN, 200);
    let partner = setup.clients.client("partner");
    ask_in_vain(&site, &setup.wants().showing(&partner), MUTUAL);
    for answer in [
        ask(&site, &setup.wants(), OPEN, MUTUAL).expect("an answer"),
        site.ask(&Request::get("/x").host(MUTUAL)),
    ] {
        assert_eq!(answer.status, 403, "{}", answer.head);
    }
    // It is open once the domain names one that is there.
    patch(&site, MUTUAL, &[replace("/mutualTlsAuthentication/truststoreUri", TRUST_STORE)]);
    eventually(|| match ask(&site, &setup.wants().showing(&partner), MUTUAL, MUTUAL) {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// CVE-2025-23419: a session from before certificates were asked for is none of a client that
/// showed one, nor is one of a client that is trusted no more.
#[test]
fn a_session_goes_on_under_the_rules_of_now() {
    for version in [&TLS13, &TLS12] {
        let setup = Setup::new(&[OPEN]);
        let site = setup.start();
        create_domain(&site, OPEN, json!({}));
        map(&site, OPEN, &api_that_says(&site, "one"));
        ask_for(&site, &setup.wants(), OPEN, 200);
        let (versions, partner) = ([version], setup.clients.client("partner"));
        let anonymous = setup.wants().speaking(&versions).config();
        let trusted = setup.wants().showing(&partner).speaking(&versions).config();
        let status = |config: &Arc<ClientConfig>| {
            let client = TlsClient::try_connect(tls_address(&site), config, OPEN);
            client.and_then(|mut client| Ok(client.try_get(OPEN, "/x")?.status))
        };
        for config in [&anonymous, &anonymous, &trusted] {
            assert_eq!(status(config).expect("an answer"), 200);
        }
        let mut client = TlsClient::connect(tls_address(&site), &anonymous, OPEN);
        assert_eq!(client.session().handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(client.get(OPEN, "/x").status, 200);
        patch(&site, OPEN, &[replace("/mutualTlsAuthentication/truststoreUri", TRUST_STORE)]);
        ask_for(&site, &setup.wants(), OPEN, 403);
        for _ in 0..3 {
            assert_eq!(status(&anonymous).expect("an answer"), 403, "{version:?}");
            assert_eq!(status(&trusted).expect("an answer"), 200, "{version:?}");
        }
        setup.files.write("clients.pem", Authority::root("others").pem());
        site.gateway().signal("HUP");
        ask_for(&site, &setup.wants().showing(&partner), OPEN, 403);
        for _ in 0..3 {
            assert_eq!(status(&trusted).expect("an answer"), 403, "{version:?}");
        }
    }
}

#[test]
fn http_apis_are_told_of_the_certificate_too() {
    let setup = Setup::new(&[MUTUAL]);
    let (site, backend) = (setup.start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let parameters = json!({
        "overwrite:header.X-Subject": "$context.identity.clientCert.subjectDN",
        "append:header.X-Serial": "$context.identity.clientCert.serialNumber",
    });
    let uri = format!("http://{}/", backend.address());
    let proxy = api.create_proxy(&uri, json!({ "requestParameters": parameters }));
    api.create_route("GET /x", &proxy);
    api.create_default_stage();
    let body = json!({
        "domainName": MUTUAL,
        "domainNameConfigurations": [{
            "certificateArn": Setup::arn(MUTUAL), "endpointType": "REGIONAL",
            "securityPolicy": "TLS_1_2",
        }],
        "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE },
    });
    site.management().post("/v2/domainnames", &body);
    let mapping = json!({ "apiId": api.id(), "stage": "$default" });
    site.management().post(&format!("/v2/domainnames/{MUTUAL}/apimappings"), &mapping);
    let partner = setup.clients.client("partner");
    let wants = setup.wants().showing(&partner);
    ask_for(&site, &wants, MUTUAL, 200);
    let mut client = TlsClient::connect(tls_address(&site), &wants.config(), MUTUAL);
    client.send(format!("GET /x HTTP/1.1\r\nhost: {MUTUAL}\r\nx-subject: CN=forged\r\n\r\n"));
    let received = Received::of(&client.answer_to("GET"));
    assert_eq!(received.header("x-subject").as_deref(), Some("CN=partner"));
    assert!(received.header("x-serial").is_some_and(|serial| serial.contains(':')));
    assert_eq!(ask_for(&site, &setup.wants(), MUTUAL, 403).text(), r#"{"message":"Forbidden"}"#);
}

/// A wildcard asks its names alone, and is not gone around by a name of its own that asks nothing.
#[test]
fn a_wildcard_that_asks_for_certificates_asks_for_each_of_its_names() {
    let setup = Setup::new(&["*.example.com", OPEN]);
    let site = setup.start();
    let api = api_that_says(&site, "one");
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE } });
    create_domain(&site, "*.example.com", mutual);
    map(&site, "*.example.com", &api);
    create_domain(&site, OPEN, json!({}));
    map(&site, OPEN, &api);
    let partner = setup.clients.client("partner");
    ask_for(&site, &setup.wants(), OPEN, 200);
    for name in ["a.example.com", "b.example.com"] {
        ask_for(&site, &setup.wants().showing(&partner), name, 200);
        ask_for(&site, &setup.wants(), name, 403);
        let answer = ask(&site, &setup.wants(), OPEN, name).expect("an answer");
        assert!(matches!(answer.status, 403 | 421), "{name}: {}", answer.head);
        assert_eq!(site.ask(&Request::get("/x").host(name)).status, 403, "{name}");
    }
    // One that did show a certificate may go to where none is asked for.
    let wants = setup.wants().showing(&partner);
    let answer = ask(&site, &wants, "a.example.com", OPEN).expect("an answer");
    assert_eq!(answer.text(), "one");
    let answer = ask(&site, &wants, "a.example.com", "b.example.com").expect("an answer");
    assert_eq!(answer.text(), "one", "it is one domain");
}

/// Whom one domain trusts, another one does not, on whatever connection and whichever of the two
/// was there first.
#[test]
fn a_certificate_that_one_domain_trusts_opens_no_other() {
    const FIRST: &str = "m1.example.com";
    const LATER: &str = "m2.example.com";
    const OTHERS: &str = "s3://bucket/others.pem";
    let setup = Setup::new(&[FIRST, LATER, "a0.example.com"]);
    let others = Authority::root("others");
    setup.files.write("others.pem", others.pem());
    let table = format!(
        "[[management.truststore]]\nuri = \"{OTHERS}\"\nfile = \"{}\"\n\n",
        setup.files.path("others.pem").display()
    );
    let site = setup.start_with(&table);
    let api = api_that_says(&site, "one");
    let mutual = |uri: &str| json!({ "mutualTlsAuthentication": { "truststoreUri": uri } });
    create_domain(&site, FIRST, mutual(TRUST_STORE));
    map(&site, FIRST, &api);
    let (partner, other) = (setup.clients.client("partner"), others.client("other"));
    let (partner, other) = (setup.wants().showing(&partner), setup.wants().showing(&other));
    ask_for(&site, &partner, FIRST, 200);
    let connect = || TlsClient::connect(tls_address(&site), &partner.config(), FIRST);
    let refused = |client: &mut TlsClient, host: &str| match client.try_get(host, "/x") {
        Ok(answer) => assert!(matches!(answer.status, 403 | 421), "{host}: {}", answer.head),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{host}"),
    };
    let mut early: Vec<_> = (0..2).map(|_| connect()).collect();
    for client in &mut early {
        assert_eq!(client.get(FIRST, "/x").text(), "one");
    }
    create_domain(&site, LATER, mutual(OTHERS));
    map(&site, LATER, &api);
    ask_for(&site, &other, LATER, 200);
    ask_for(&site, &partner, LATER, 403);
    refused(&mut early[0], LATER);
    refused(&mut connect(), LATER);
    let mut between: Vec<_> = (0..2).map(|_| connect()).collect();
    for client in &mut between {
        assert_eq!(client.get(FIRST, "/x").text(), "one");
    }
    // All domains behind this one have another place than before, and then their own again.
    create_domain(&site, "a0.example.com", json!({}));
    map(&site, "a0.example.com", &api);
    ask_for(&site, &setup.wants(), "a0.example.com", 200);
    refused(&mut between[0], LATER);
    refused(&mut early[1], LATER);
    let mut late = connect();
    assert_eq!(late.get(FIRST, "/x").text(), "one");
    let mapping = "/domainnames/a0.example.com/basepathmappings/(none)";
    site.management().delete(mapping);
    site.management().delete("/domainnames/a0.example.com");
    ask_in_vain(&site, &setup.wants(), "a0.example.com");
    refused(&mut late, LATER);
    refused(&mut between[1], LATER);
    assert_eq!(connect().get(FIRST, "/x").text(), "one");
}

/// Another trust store is asked from then on, on connections of before too.
#[test]
fn another_trust_store_of_a_domain_holds_for_connections_of_before() {
    const OTHERS: &str = "s3://bucket/others.pem";
    let setup = Setup::new(&[MUTUAL]);
    let others = Authority::root("others");
    setup.files.write("others.pem", others.pem());
    let table = format!(
        "[[management.truststore]]\nuri = \"{OTHERS}\"\nfile = \"{}\"\n\n",
        setup.files.path("others.pem").display()
    );
    let site = setup.start_with(&table);
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": TRUST_STORE } });
    create_domain(&site, MUTUAL, mutual);
    map(&site, MUTUAL, &api_that_says(&site, "one"));
    let (partner, other) = (setup.clients.client("partner"), others.client("other"));
    let (partner, other) = (setup.wants().showing(&partner), setup.wants().showing(&other));
    ask_for(&site, &partner, MUTUAL, 200);
    let mut before = TlsClient::connect(tls_address(&site), &partner.config(), MUTUAL);
    assert_eq!(before.get(MUTUAL, "/x").text(), "one");
    patch(&site, MUTUAL, &[replace("/mutualTlsAuthentication/truststoreUri", OTHERS)]);
    ask_for(&site, &other, MUTUAL, 200);
    match before.try_get(MUTUAL, "/x") {
        Ok(answer) => assert!(matches!(answer.status, 403 | 421), "{}", answer.head),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
    }
}
