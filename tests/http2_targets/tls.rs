//! Targets over TLS that do not speak HTTP/2 in it.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::authority::{Authority, Files};
use super::gateway;

fn target(config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut stream = StreamOwned::new(session, stream);
            // To the end of the connection, or of its handshake.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

#[test]
fn targets_that_do_not_speak_h2_inside_tls_are_told_of() {
    let (authority, files) = (Authority::root("targets"), Files::new());
    files.write("ca.pem", authority.pem());
    let identity = authority.server(&["target.example"]);
    let tls = format!(
        "tls = {{ ca_file = \"{}\", server_name = \"target.example\" }}",
        files.path("ca.pem").display()
    );
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for (alpn, message, reason) in [
        (vec![b"http/1.1".to_vec()], "no TLS session with a target", "NoApplicationProtocol"),
        (Vec::new(), "a target does not speak h2 inside TLS", ""),
    ] {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain.clone(), identity.key_der())
            .expect("a certificate and its key");
        config.alpn_protocols = alpn;
        let gateway = gateway(&[target(config)], &tls);
        assert_eq!(gateway.connect().request("GET", "/").status, 502);
        let line = gateway.wait_for_log("a warning", |line| line["message"] == message);
        let shown = line.to_string();
        assert!(shown.contains(reason), "{shown}");
    }
}
