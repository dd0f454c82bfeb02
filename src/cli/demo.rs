//! `demo`: a gateway that needs nothing, to look at.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::arguments::DemoOptions;
use super::gateway::{Gateway, reread};
use super::{Exit, complain, echo, fail, print, refuse};
use crate::control::Ready;
use crate::rt::DriverChoice;
use crate::settings;

pub(super) fn perform(options: &DemoOptions) -> Exit {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let backend = match echo::start(any_port, &[], DriverChoice::Auto) {
        Ok(backend) => backend,
        Err(error) => return fail(&format!("the backend cannot be started: {error}")),
    };
    let file = file(options, backend);
    let parse = move || settings::parse("demo.toml", &file);
    match parse().and_then(Gateway::here) {
        Err(mistakes) => refuse(&mistakes.render()),
        Ok(gateway) => {
            let load = Arc::new(move || reread(parse(), None));
            let invite = |ready: &Ready| {
                // A reader that went away does not end the demo.
                let _ = print(&invitation(ready));
            };
            let exit = gateway.run(None, load, Box::new(invite));
            if exit == Exit::Failed {
                complain("if the address is taken, `--listen 127.0.0.1:0` takes any free port");
            }
            exit
        }
    }
}

/// The boot file of the demo.
fn file(options: &DemoOptions, backend: SocketAddr) -> String {
    let shards = options.shards.map_or("\"auto\"".to_owned(), |count| count.to_string());
    let listen = options.listen;
    format!(
        r#"
[process]
shards = {shards}
log_level = "warn"
drain_timeout_ms = 2000

[admin]
address = "127.0.0.1:0"

[[listener]]
name = "demo"
address = "{listen}"

[[upstream]]
name = "backend"
targets = ["{backend}"]

[[api]]
name = "demo"

[[api.route]]
key = "GET /hello"
mock = {{ headers = {{ content-type = "application/json" }}, body = '{{"message":"hello from shardgate"}}' }}

[[api.route]]
key = "ANY /backend/{{proxy+}}"
upstream = "backend"
path = "/{{proxy}}"

[[api.route]]
key = "GET /items/{{id}}"
upstream = "backend"
path = "/headers"

[[api.route]]
key = "GET /limited"
mock = {{ status = 204 }}
throttle = {{ rate_per_second = 1, burst_count = 2 }}

[[api.route]]
key = "ANY /old/{{proxy+}}"
redirect = {{ location = "/backend/{{proxy}}{{query}}" }}
"#
    )
}

/// What to try, with the addresses that were bound.
fn invitation(ready: &Ready) -> String {
    let gateway = ready.listeners.first().map_or("", |(_, address)| address);
    let admin = ready.admin.as_deref().unwrap_or_default();
    format!(
        "shardgate listens on {gateway}. Try:\n\n\
         \x20 curl -i http://{gateway}/hello                          # answered by the gateway itself\n\
         \x20 curl -i http://{gateway}/items/42                       # what the backend sees of a request\n\
         \x20 curl -i http://{gateway}/backend/echo -d 'some text'    # the backend sends it back\n\
         \x20 curl -i http://{gateway}/backend/delay/300              # a slow backend\n\
         \x20 curl -i 'http://{gateway}/limited?n=[1-4]'              # two pass, then 429\n\
         \x20 curl -iL http://{gateway}/old/bytes/100                 # redirected\n\
         \x20 curl -i http://{gateway}/nothing                        # no route: 404\n\
         \x20 curl -s http://{admin}/metrics | grep requests_total\n\
         \x20 curl -s http://{admin}/stats\n\n\
         Ctrl-C ends it.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_demo_has_no_mistakes() {
        let options = DemoOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            shards: std::num::NonZeroU16::new(1),
        };
        let file = file(&options, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
        let settings =
            settings::parse("demo.toml", &file).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::here(settings).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(gateway.cores.len(), 1);
        let plan = gateway.compile().unwrap_or_else(|error| panic!("{error}"));
        let ready = Ready {
            listeners: vec![("demo".to_owned(), "127.0.0.1:8080".to_owned())],
            admin: Some("127.0.0.1:9901".to_owned()),
        };
        // Every path that is invited to, but one, has a route.
        for line in invitation(&ready).lines().filter(|line| line.contains("127.0.0.1:8080/")) {
            let path =
                line.split("8080").nth(1).and_then(|rest| rest.split([' ', '\'', '?']).next());
            let path = path.expect("a path");
            let method = if line.contains(" -d ") { "POST" } else { "GET" };
            let method = crate::base::Method::from_token(method.as_bytes());
            let found = plan.explain(b"127.0.0.1:8080", method, path.as_bytes());
            let found = found.stage.is_some_and(|stage| stage.route.route.is_some());
            assert_eq!(found, path != "/nothing", "{path}");
        }
    }
}
