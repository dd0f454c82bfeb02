//! Other people's clients: curl, nghttp and h2load (Debian: curl, nghttp2-client).

use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use super::gateways::{assert_sound, before};
use super::harness::Echo;
use super::site::Site;

/// Runs a tool; `None` if this machine does not have it, which `tests/run` sees to.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    let ran = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    let is_missing = matches!(&ran, Err(error) if error.kind() == ErrorKind::NotFound);
    if is_missing && std::env::var_os("CI").is_none() {
        eprintln!("skipped: {tool} is missing");
        return None;
    }
    let Output { status, stdout, stderr } = ran.expect("the tool starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{tool} {arguments:?}: {status}\n{stdout}\n{stderr}");
    Some(stdout.into_owned())
}

const TOLD: &str = "%{http_version} %{response_code} %{size_download}\\n";

#[test]
fn curl_with_prior_knowledge() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let url = |path: &str| format!("http://{}{path}", gateway.address("public"));
    let curl = |more: &[&str], path: &str| {
        let url = url(path);
        let known = ["-sS", "-m", "20", "-o", "/dev/null", "-w", TOLD, "--http2-prior-knowledge"];
        run("curl", &[&known[..], more, &[&url]].concat())
    };
    let Some(told) = curl(&[], "/mock") else { return };
    assert_eq!(told, "2 200 6\n");
    assert_eq!(curl(&["-I"], "/mock").as_deref(), Some("2 200 0\n"));
    assert_eq!(curl(&[], "/bytes/1000000").as_deref(), Some("2 200 1000000\n"));
    assert_eq!(curl(&[], "/trailers").map(|told| told[..5].to_owned()).as_deref(), Some("2 200"));
    assert_eq!(curl(&["-X", "DELETE"], "/limited").as_deref(), Some("2 429 31\n"));
    let path = gateway.folder().join("body");
    std::fs::write(&path, vec![b'x'; 3_000_000]).expect("written");
    let upload = format!("@{}", path.display());
    let sent = curl(&["--data-binary", &upload], "/echo");
    assert_eq!(sent.as_deref(), Some("2 200 3000000\n"));
    assert_sound(&gateway);
}

#[test]
fn curl_by_alpn() {
    let echo = Echo::start();
    let site = Site::new(echo.address());
    site.files.write("ca.pem", site.servers.pem());
    let gateway = super::secure::start(&site, "");
    let (ca, port) = (site.files.path("ca.pem"), gateway.address("public").port());
    let ca = ca.to_str().expect("text");
    let resolve = format!("a.example:{port}:127.0.0.1");
    let url = format!("https://a.example:{port}/bytes/1000000");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let known = ["-sS", "-m", "20", "-o", "/dev/null", "-w", TOLD, "--cacert", ca];
        let more = [flag, "--resolve", &resolve, &url];
        let Some(told) = run("curl", &[&known[..], &more].concat()) else { return };
        assert_eq!(told, format!("{version} 200 1000000\n"));
    }
    assert_sound(&gateway);
}

#[test]
fn nghttp_asks_for_many_things_at_once() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let address = gateway.address("public");
    let urls: Vec<_> = ["/mock", "/bytes/200000", "/trailers", "/interim/2", "/chunked/5/1000"]
        .iter()
        .map(|path| format!("http://{address}{path}"))
        .collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let Some(told) = run("nghttp", &[&["-n", "-v", "-t", "20"], &urls[..]].concat()) else {
        return;
    };
    assert_eq!(told.matches(":status: 200").count(), urls.len(), "{told}");
    assert!(!told.contains("RST_STREAM"), "{told}");
    assert_sound(&gateway);
}

#[test]
fn h2load_loses_no_request() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let address = gateway.address("public");
    for path in ["/mock", "/bytes/20000"] {
        let url = format!("http://{address}{path}");
        let Some(told) = run("h2load", &["-n", "600", "-c", "3", "-m", "20", &url]) else { return };
        assert!(told.contains("600 succeeded, 0 failed, 0 errored, 0 timeout"), "{told}");
        assert!(told.contains("600 2xx"), "{told}");
    }
    assert_sound(&gateway);
}
