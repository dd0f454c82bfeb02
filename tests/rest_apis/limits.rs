//! Sizes of requests.

use crate::harness::{Client, Managed, Request, Upstream};
use crate::refusal::assert_refused;

const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

#[test]
fn a_body_of_more_than_10_mib_is_too_long() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/x", "POST", &format!("http://{}/", backend.address()));
    api.deploy("prod");
    api.ask_for(200, &Request::post("/prod/x", "short"));
    let (host, length) = (api.host(), BODY_BYTES_MAX + 1);
    let mut client = Client::connect(site.public());
    // Its length is refused before a byte of it is sent.
    client
        .send(format!("POST /prod/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"));
    let answer = client.answer_to("POST");
    // [K] the error type.
    assert_refused(&answer, 413, "RequestTooLargeException", "Request Too Long");
    assert_eq!(backend.requests().len(), 1);
}
