//! Generated client certificates: what a stage of a REST API shows to its endpoints.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use crate::authority::Authority;
use crate::backend::{Seen, TlsBackend, hexadecimal};
use crate::harness::{Answer, Managed, Request, RestApi, remove, replace};

/// GenerateClientCertificate: its id, and the certificate as a backend sees it.
fn generate(site: &Managed) -> (String, String) {
    let made = site.management().post("/clientcertificates", &json!({ "description": "test" }));
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let pem = text("pemEncodedCertificate");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    (text("clientCertificateId"), hexadecimal(&der))
}

/// A REST API whose `GET /x` goes to the backend, whoever issued its certificate.
fn api<'g>(site: &'g Managed, backend: &TlsBackend) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("https://{}/", backend.address()),
        "tlsConfig": { "insecureSkipVerification": true },
    });
    api.put_integration("/x", "GET", integration);
    api
}

fn backend(is_needed: bool) -> TlsBackend {
    TlsBackend::asking(&Authority::root("strangers").server(&["127.0.0.1"]), is_needed)
}

fn shown(answer: &Answer) -> Option<String> {
    (answer.status == 200).then(|| Seen::of(answer).certificate)?
}

#[test]
fn it_is_shown_to_a_backend_that_asks_and_to_no_other() {
    let site = Managed::start();
    let (id, certificate) = generate(&site);
    let silent = TlsBackend::start(&Authority::root("strangers").server(&["127.0.0.1"]));
    for (backend, expected) in [(backend(true), Some(certificate)), (silent, None)] {
        let api = api(&site, &backend);
        api.deploy("prod");
        api.patch_stage("prod", &[replace("/clientCertificateId", &id)]);
        let answer = api.ask_until(&Request::get("/prod/x"), |answer| {
            answer.status == 200 && Seen::of(answer).certificate == expected
        });
        assert!(Seen::of(&answer).head.starts_with("GET / "));
    }
}

#[test]
fn without_one_a_backend_that_insists_is_not_reached() {
    let (site, backend) = (Managed::start(), backend(true));
    let api = api(&site, &backend);
    api.deploy("prod");
    let answer = api.ask_for(504, &Request::get("/prod/x"));
    assert_eq!(answer.header("x-amzn-errortype"), Some("InternalServerErrorException"));
}

#[test]
fn another_one_is_shown_without_a_deployment() {
    let (site, backend) = (Managed::start(), backend(false));
    let (first, second) = (generate(&site), generate(&site));
    assert_ne!(first.1, second.1);
    let api = api(&site, &backend);
    api.deploy("prod");
    let request = Request::get("/prod/x");
    assert_eq!(shown(&api.ask_for(200, &request)), None);
    for (id, certificate) in [&first, &second, &first] {
        api.patch_stage("prod", &[replace("/clientCertificateId", id)]);
        api.ask_until(&request, |answer| shown(answer).as_ref() == Some(certificate));
        // The connections of before are not used again.
        for _ in 0..3 {
            assert_eq!(shown(&api.ask(&request)).as_ref(), Some(certificate));
        }
    }
    api.patch_stage("prod", &[remove("/clientCertificateId")]);
    api.ask_until(&request, |answer| answer.status == 200 && shown(answer).is_none());
}

#[test]
fn each_stage_shows_its_own() {
    let (site, backend) = (Managed::start(), backend(false));
    let (test, live) = (generate(&site), generate(&site));
    let api = api(&site, &backend);
    for (stage, (id, _)) in [("test", &test), ("prod", &live)] {
        api.deploy(stage);
        api.patch_stage(stage, &[replace("/clientCertificateId", id)]);
    }
    for _ in 0..2 {
        for (stage, (_, certificate)) in [("test", &test), ("prod", &live)] {
            let request = Request::get(&format!("/{stage}/x"));
            api.ask_until(&request, |answer| shown(answer).as_ref() == Some(certificate));
        }
    }
}

#[test]
fn one_that_a_stage_shows_cannot_be_deleted() {
    let (site, backend) = (Managed::start(), backend(true));
    let (id, certificate) = generate(&site);
    let api = api(&site, &backend);
    api.deploy("prod");
    api.patch_stage("prod", &[replace("/clientCertificateId", &id)]);
    let path = format!("/clientcertificates/{id}");
    let (status, said) = site.management().call("DELETE", &path, None);
    assert!(matches!(status, 400 | 409), "{status} {said}"); // [K] which of them
    api.ask_until(&Request::get("/prod/x"), |answer| shown(answer).as_ref() == Some(&certificate));
    api.patch_stage("prod", &[remove("/clientCertificateId")]);
    site.management().delete(&path);
}
