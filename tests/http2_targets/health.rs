//! Active health checks of targets that speak HTTP/2.

use super::gateway;
use super::harness::Upstream;
use super::target::Target;

fn checks(more: &str) -> String {
    format!(
        "health = {{ interval_ms = 2_000, timeout_ms = 2_000, unhealthy_count = 1, healthy_count = 1, \
         status_max = 299, {more} }}"
    )
}

/// A target of HTTP/1.1 fails the checks of a group of HTTP/2, and one of HTTP/2 passes them.
#[test]
fn targets_are_asked_in_http2() {
    let (good, bad) = (Target::start(), Target::start());
    let old = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let group = checks("path = \"/status/204\"");
    let first = gateway(&[good.address, old.address()], &group);
    first.wait_for_log("a verdict", |line| {
        line["message"] == "healthy" && line["address"] == good.address.to_string()
    });
    first.wait_for_log("a verdict", |line| {
        line["message"] == "unhealthy" && line["address"] == old.address().to_string()
    });
    let second = gateway(&[bad.address], &checks("path = \"/status/404\""));
    let line = second.wait_for_log("a verdict", |line| line["message"] == "unhealthy");
    assert!(line["error"].to_string().contains("404"), "{line}");
}
