//! A request on its way to a function, as a client of a usual API sends it.

use shardgate::lambda::{EventBody, Identity, ProxyRequest};

const HEADERS: [(&[u8], &[u8]); 12] = [
    (b"Host", b"a1b2c3.execute-api.us-east-1.amazonaws.com"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Accept-Language", b"en-US,en;q=0.9,de;q=0.8"),
    (b"Content-Type", b"application/json"),
    (b"Cookie", b"session=6f1ed002ab5595859014ebf0951522d9; theme=dark"),
    (b"X-Request-Id", b"0123456789abcdef0123456"),
    (b"X-Forwarded-For", b"192.0.2.1"),
    (b"X-Forwarded-Port", b"443"),
    (b"X-Forwarded-Proto", b"https"),
    (b"X-Amzn-Trace-Id", b"Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
];

/// Gives `visit` the request.
pub fn with_event_request(visit: impl FnOnce(&ProxyRequest<'_>)) {
    visit(&ProxyRequest {
        route_key: "POST /orders/{id}",
        resource: "/orders/{id}",
        resource_id: Some("roq9wj"),
        method: b"POST",
        path: b"/orders/4711",
        path_with_stage: b"/prod/orders/4711",
        protocol: "HTTP/1.1",
        headers: &|field| {
            for (name, value) in HEADERS {
                field(name, value);
            }
        },
        query: b"page=2&sort=desc&q=a%20b",
        path_parameters: &|field| field(b"id", b"4711"),
        stage_variables: Some(br#"{"table":"orders"}"#),
        account_id: "111111111111",
        api_id: "a1b2c3",
        deployment_id: Some("d1e2f3"),
        domain_name: b"a1b2c3.execute-api.us-east-1.amazonaws.com",
        domain_prefix: b"a1b2c3",
        request_id: "JKJaXmPLvHcESHA=",
        extended_request_id: "JKJaXmPLvHcESHA=",
        stage: "prod",
        operation_name: None,
        is_canary: None,
        time: "10/Mar/2020:05:16:23 +0000",
        time_epoch_ms: 1_583_817_383_220,
        identity: Identity { source_ip: "192.0.2.1", ..Identity::default() },
        client_certificate: None,
        authorizer: None,
        body: EventBody::new(br#"{"item":"a book","count":1}"#, false),
    });
}
