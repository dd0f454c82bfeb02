//! Private, edge-optimized and dual-stack endpoints: from where an API may be reached, and who its
//! client is.

use std::net::SocketAddr;

use serde_json::{Value as Json, json};

use crate::domain::{Domain, api_that_says};
use crate::harness::{
    Answer, Client, Gateway, Managed, Received, Request, RestApi, Upstream, eventually, replace,
};

/// A gateway with the listeners `public`, `inside`, which is private, and `proxied`, where clients of
/// 10.0.0.0/8 are private sources and a proxy on this machine says who they are.
fn site() -> Managed {
    Managed::of(Gateway::start(
        r#"
[management]
address = "127.0.0.1:0"
store = "{dir}/state.redb"

[[listener]]
name = "public"
address = "127.0.0.1:0"
private_networks = ["10.0.0.0/8"]

[[listener]]
name = "inside"
address = "127.0.0.1:0"
private = true

[[listener]]
name = "proxied"
address = "127.0.0.1:0"
private_networks = ["10.0.0.0/8"]
trusted_proxies = ["127.0.0.1"]

[[listener]]
name = "balanced"
address = "127.0.0.1:0"
private_networks = ["10.0.0.0/8"]
trusted_proxies = ["127.0.0.1"]
proxy_protocol = "required"
"#,
    ))
}

fn private() -> Json {
    json!({
        "name": "private",
        "endpointConfiguration": { "types": ["PRIVATE"], "ipAddressType": "dualstack" },
    })
}

/// A private API whose stage `prod` answers `GET /x` with "private".
fn private_api(site: &Managed) -> RestApi<'_> {
    let api = RestApi::create(site, &private());
    api.mock("/x", "GET", "private");
    api.deploy("prod");
    let request = Request::get("/prod/x").host(&api.host());
    ask_for(site.gateway().address("inside"), 200, &request);
    api
}

#[track_caller]
fn ask_for(address: SocketAddr, status: u16, request: &Request) -> Answer {
    eventually(|| match request.ask(address) {
        answer if answer.status == status => Ok(answer),
        answer => Err(format!("{request:?} is answered {}", answer.head)),
    })
}

/// Every way to ask for `GET /x` of the stage `prod`.
fn forms(id: &str) -> Vec<Request> {
    let at = |host: String| Request::get("/prod/x").host(&host);
    let region = "execute-api.us-east-1.amazonaws.com";
    vec![
        at(format!("{id}.{region}")),
        at(format!("{id}-vpce-01234567.{region}")),
        at(format!("vpce-01234567-abcdefgh.{region}")).header("x-apigw-api-id", id),
        Request::get(&format!("/_aws/execute-api/{id}/prod/x")),
        Request::get(&format!("/restapis/{id}/prod/_user_request_/x")),
    ]
}

#[test]
fn a_private_api_is_reached_from_private_sources_alone_in_every_form() {
    let site = site();
    let api = private_api(&site);
    let [public, inside, proxied] =
        ["public", "inside", "proxied"].map(|name| site.gateway().address(name));
    for form in forms(api.id()) {
        assert_eq!(form.ask(inside).text(), "private", "{form:?}");
        for (address, refused) in [
            (public, form.clone()),
            // Whoever is no proxy may say what it likes.
            (public, form.clone().header("X-Forwarded-For", "10.1.2.3")),
            (proxied, form.clone()),
            (proxied, form.clone().header("X-Forwarded-For", "203.0.113.7")),
            // The client's own word comes before that of the proxy, and does not count.
            (proxied, form.clone().header("X-Forwarded-For", "10.1.2.3, 203.0.113.7")),
        ] {
            let answer = refused.ask(address);
            assert_eq!(answer.status, 403, "{refused:?}: {}", answer.head);
            assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#); // [K]
        }
        let told = form.clone().header("X-Forwarded-For", "203.0.113.7, 10.1.2.3");
        assert_eq!(told.ask(proxied).text(), "private", "{told:?}");
    }
}

/// Where a load balancer says who connects, what clients write of themselves does not count.
#[test]
fn a_load_balancer_says_who_is_a_private_source() {
    let site = site();
    let api = private_api(&site);
    for (source, told, status) in [
        ("10.1.2.3", "203.0.113.7", 200),
        ("203.0.113.7", "10.1.2.3", 403),
        ("203.0.113.7", "127.0.0.1", 403),
    ] {
        let mut client = Client::connect(site.gateway().address("balanced"));
        client.send(format!("PROXY TCP4 {source} 127.0.0.1 4660 80\r\n"));
        let request = Request::get("/prod/x").host(&api.host()).header("X-Forwarded-For", told);
        assert_eq!(request.ask_on(&mut client).status, status, "{source} {told}");
    }
}

/// AWS's hosts of endpoints lead to private APIs and to nothing else.
#[test]
fn hosts_of_private_endpoints_lead_to_no_public_api() {
    let site = site();
    let api = api_that_says(&site, "one");
    let inside = site.gateway().address("inside");
    let forms = forms(api.id());
    assert_eq!(forms[0].ask(inside).text(), "one");
    for form in &forms[1..3] {
        for address in [inside, site.public()] {
            assert!(form.ask(address).is_of_no_api(), "{form:?}");
        }
    }
    // Nor does the header say which API it is where the host does.
    let two = api_that_says(&site, "two");
    let request = forms[0].clone().header("x-apigw-api-id", two.id());
    assert_eq!(request.ask(inside).text(), "one");
}

#[test]
fn a_private_api_stays_private_behind_a_public_domain() {
    let site = site();
    let api = private_api(&site);
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", api.id(), "prod");
    let request = Request::get("/x").host("api.example.com");
    ask_for(site.gateway().address("inside"), 200, &request);
    assert_eq!(site.ask(&request).status, 403);
}

#[test]
fn a_private_domain_is_reached_from_private_sources_alone() {
    let site = site();
    let api = api_that_says(&site, "one");
    let name = "private.example.com";
    let body = json!({
        "domainName": name, "endpointConfiguration": { "types": ["PRIVATE"] },
        "certificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/x",
    });
    site.management().post("/domainnames", &body);
    let mapping = json!({ "restApiId": api.id(), "stage": "prod" });
    site.management().post(&format!("/domainnames/{name}/basepathmappings"), &mapping);
    let request = Request::get("/x").host(name);
    let answer = ask_for(site.gateway().address("inside"), 200, &request);
    assert_eq!(answer.text(), "one");
    assert_eq!(site.ask(&request).status, 403);
    // Not even its health is told.
    assert_eq!(site.ask(&Request::get("/ping").host(name)).status, 403);
    let inside = site.gateway().address("inside");
    assert_eq!(Request::get("/ping").host(name).ask(inside).status, 200);
}

#[test]
fn an_api_becomes_private_and_public_again_without_a_deployment() {
    let site = site();
    let api = api_that_says(&site, "one");
    let inside = site.gateway().address("inside");
    let request = Request::get("/prod/x").host(&api.host());
    let to = |from: &str, to: &str| {
        let types = replace(&format!("/endpointConfiguration/types/{from}"), to);
        let family = replace("/endpointConfiguration/ipAddressType", "dualstack");
        site.management().patch(&api.path(""), &[types, family]);
    };
    to("EDGE", "PRIVATE");
    api.ask_for(403, &Request::get("/prod/x"));
    assert_eq!(request.ask(inside).text(), "one");
    to("PRIVATE", "REGIONAL");
    api.ask_for(200, &Request::get("/prod/x"));
}

/// A distribution is a trusted proxy: the client is the one that it names.
#[test]
fn an_edge_optimized_api_takes_the_word_of_its_distribution_alone() {
    let (site, backend) = (site(), Upstream::mirror());
    let edge = json!({ "name": "edge", "endpointConfiguration": { "types": ["EDGE"] } });
    let api = RestApi::create(&site, &edge);
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Source": "context.identity.sourceIp",
        },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    let request = Request::get("/prod/x")
        .host(&api.host())
        .header("X-Forwarded-For", "198.51.100.1, 203.0.113.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Port", "443")
        .header("Via", "2.0 1a2b.cloudfront.net (CloudFront)")
        .header("X-Amz-Cf-Id", "abc")
        .header("Content-MD5", "AAAA")
        .header("Cookie", "b=2; a=1");
    let told = Received::of(&ask_for(site.gateway().address("proxied"), 200, &request));
    let other = Received::of(&ask_for(site.public(), 200, &request));
    let list = Some("198.51.100.1, 203.0.113.7, 127.0.0.1".to_owned());
    assert_eq!(told.header("x-source").as_deref(), Some("203.0.113.7"));
    assert_eq!(told.header("x-forwarded-for"), list);
    assert_eq!(told.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(told.header("x-forwarded-port").as_deref(), Some("443"));
    assert_eq!(other.header("x-source").as_deref(), Some("127.0.0.1"));
    assert_eq!(other.header("x-forwarded-for"), list, "what came is kept, and proves nothing");
    assert_eq!(other.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(other.header("x-forwarded-port"), Some(site.public().port().to_string()));
    for received in [&told, &other] {
        assert_eq!((received.header("content-md5"), received.header("via")), (None, None));
        assert_eq!(received.header("x-amz-cf-id").as_deref(), Some("abc"));
        assert_eq!(received.header("cookie").as_deref(), Some("b=2; a=1"));
    }
}

#[test]
fn a_client_of_ipv6_is_told_of_as_such() {
    let site = Managed::start_with("[[listener]]\nname = \"six\"\naddress = \"[::1]:0\"\n");
    let backend = Upstream::mirror();
    let uri = format!("http://{}/", backend.address());
    let rest = site.create_rest_api();
    rest.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri,
        "requestParameters": {
            "integration.request.header.X-Source": "context.identity.sourceIp",
        },
    });
    rest.put_integration("/x", "GET", integration);
    rest.deploy("prod");
    let http = site.create_http_api(json!({ "target": uri }));
    let six = site.gateway().address("six");
    let answer = ask_for(six, 200, &Request::get("/prod/x").host(&rest.host()));
    let received = Received::of(&answer);
    assert_eq!(received.header("x-source").as_deref(), Some("::1"));
    assert_eq!(received.header("x-forwarded-for").as_deref(), Some("::1"));
    let received = Received::of(&ask_for(six, 200, &Request::get("/x").host(&http.host())));
    let forwarded = received.header("forwarded").expect("the header");
    assert!(forwarded.starts_with(r#"for="[::1]";host="#), "{forwarded}");
    // A host may be an address of its own, where the path says the rest.
    let target = format!("/_aws/execute-api/{}/prod/x", rest.id());
    assert_eq!(Request::get(&target).host(&six.to_string()).ask(six).status, 200);
}
