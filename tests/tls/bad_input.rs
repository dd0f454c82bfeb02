//! What is no TLS, half of it, or too much.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};

use rustls::ClientConfig;
use rustls::crypto::cipher::{
    InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundPlainMessage,
};
use rustls::version::TLS13;
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::client::{TlsClient, session, tcp};
use super::harness::{Client, Gateway, Upstream};
use super::site::{DONE, FAILURES, Site, assert_sound, external, nobody};

fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    session(config, "a.example").write_tls(&mut bytes).expect("written to memory");
    bytes
}

/// What comes until the connection ends, in whatever way.
fn last_words(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    bytes
}

#[test]
fn plain_http_is_told_so_in_plain_http() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut client = Client::connect(gateway.address("public"));
    let answer = client.request("GET", "/mock");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("plain HTTP was sent to an HTTPS port"), "{}", answer.text());
    assert!(answer.says_close());
    assert_eq!(client.rest(), b"");
    gateway.wait_for_metric(FAILURES, "plain_http", 1.0);
    assert_sound(&gateway);
}

#[test]
fn garbage_and_broken_records_end_their_own_connection_alone() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let (address, config) = (gateway.address("public"), site.config());
    let mut bystander = site.connect(&gateway);
    assert_eq!(bystander.get("a.example", "/mock").status, 200);
    let close_notify = [0x15, 3, 3, 0, 2, 1, 0];
    let whole = hello(&config);
    let inputs = [
        vec![0; 64],
        vec![0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 0],
        close_notify.to_vec(),
        // CVE-2024-32650: close_notify amid and behind the client's first message.
        [&whole[..], &close_notify].concat(),
        [&whole[..], &close_notify, &close_notify, &[0x17, 3, 3, 0, 1, 0]].concat(),
        [&whole[..], &[0x17, 3, 3, 0xff, 0xff]].concat(),
        [&whole[..], &whole].concat(),
    ];
    let inputs_count = inputs.len() as f64;
    for input in inputs {
        let mut stream = tcp(address);
        stream.write_all(&input).expect("sent");
        last_words(stream);
        assert_eq!(bystander.get("a.example", "/mock").status, 200, "{input:?}");
    }
    gateway.wait_for_metric(FAILURES, "", inputs_count);
    assert_eq!(gateway.metric(FAILURES, "timeout"), 0.0, "ended at once, not by the deadline");
    drop(bystander);
    assert_sound(&gateway);
}

#[test]
fn an_oversized_record_ends_a_session_with_an_alert() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    assert_eq!(client.get("a.example", "/mock").status, 200);
    client.socket().write_all(&[0x17, 3, 3, 0xff, 0xff, 1, 2, 3]).expect("sent");
    let error = client.try_get("a.example", "/mock").expect_err("the session is over");
    assert!(error.to_string().contains("received fatal alert"), "{error}");
    gateway.wait_for_metric("shardgate_tls_sessions_broken_total", "", 1.0);
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn handshakes_that_stop_half_way_are_ended_and_counted() {
    let site = Site::new(nobody());
    let gateway = site.start_with("{ handshake_timeout_ms = 300 }", "", "");
    let (address, whole) = (gateway.address("public"), hello(&site.config()));
    let streams: Vec<_> = [0, 1, whole.len() / 2, whole.len()]
        .map(|count| {
            let mut stream = tcp(address);
            stream.write_all(&whole[..count]).expect("sent");
            stream
        })
        .into();
    for stream in streams {
        last_words(stream);
    }
    gateway.wait_for_metric(FAILURES, "timeout", 4.0);
    let fired = gateway.metric("shardgate_deadlines_fired_total", "kind=\"handshake\"");
    assert_eq!(fired, 4.0);
    assert_sound(&gateway);
}

#[test]
fn bent_and_cut_first_messages_leave_nothing_behind() {
    let site = Site::new(nobody());
    let gateway =
        site.start_with("{ handshake_timeout_ms = 300, unknown_name = \"refuse\" }", "", "");
    let (address, whole) = (gateway.address("public"), hello(&site.config()));
    for cut in (0..whole.len()).step_by(7) {
        tcp(address).write_all(&whole[..cut]).expect("sent");
    }
    for index in (0..whole.len()).step_by(3) {
        let mut bent = whole.clone();
        bent[index] ^= 0x55;
        let _ = tcp(address).write_all(&bent);
    }
    // One that says nothing more is ended by the timeout, with those that wait for more bytes.
    let mut silent = tcp(address);
    silent.write_all(&whole[..20]).expect("sent");
    assert_eq!(silent.read(&mut [0; 100]).expect("ended"), 0);
    assert_eq!(site.connect(&gateway).get("a.example", "/mock").status, 200);
    assert_sound(&gateway);
    assert!(gateway.metric(FAILURES, "timeout") > 0.0);
}

/// Cuts the connection once the client has sent `left` bytes; whether the handshake was over.
fn cut_after(stream: &mut TcpStream, config: &Arc<ClientConfig>, mut left: usize) -> bool {
    let mut session = session(config, "a.example");
    loop {
        let mut flight = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut flight).expect("written to memory");
        }
        let count = flight.len().min(left);
        stream.write_all(&flight[..count]).expect("sent");
        left -= count;
        if left == 0 || !session.is_handshaking() {
            return !session.is_handshaking() && count == flight.len();
        }
        session.read_tls(stream).expect("an answer");
        session.process_new_packets().expect("TLS");
    }
}

#[test]
fn a_connection_may_be_cut_after_each_byte_of_its_handshake() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let (address, config) = (gateway.address("public"), site.config());
    let mut bystander = site.connect(&gateway);
    let mut cut_count = 0;
    while !cut_after(&mut tcp(address), &config, cut_count) {
        cut_count += 1;
        if cut_count % 100 == 0 {
            assert_eq!(bystander.get("a.example", "/mock").status, 200, "{cut_count}");
        }
    }
    assert!(cut_count > 200, "{cut_count} bytes are no handshake");
    drop(bystander);
    assert_sound(&gateway);
    assert_eq!(gateway.metric(FAILURES, "gone"), cut_count as f64);
    assert_eq!(gateway.metric(DONE, ""), 2.0);
}

/// The records of a TLS 1.3 session, written and read one by one.
struct Records {
    stream: TcpStream,
    sealer: Box<dyn MessageEncrypter>,
    opener: Box<dyn MessageDecrypter>,
    sealed_count: u64,
    opened_count: u64,
}

impl Records {
    fn connect(gateway: &Gateway, config: &Arc<ClientConfig>) -> Self {
        let mut config = (**config).clone();
        config.enable_secret_extraction = true;
        let mut stream = tcp(gateway.address("public"));
        let mut session = session(&Arc::new(config), "a.example");
        while session.is_handshaking() {
            session.complete_io(&mut stream).expect("a handshake");
        }
        let Some(SupportedCipherSuite::Tls13(suite)) = session.negotiated_cipher_suite() else {
            panic!("no TLS 1.3");
        };
        let secrets = session.dangerous_extract_secrets().expect("secrets");
        let ((sealed_count, tx), (opened_count, rx)) = (secrets.tx, secrets.rx);
        let (tx, rx) = (key_and_iv(tx), key_and_iv(rx));
        Self {
            stream,
            sealer: suite.aead_alg.encrypter(tx.0, tx.1),
            opener: suite.aead_alg.decrypter(rx.0, rx.1),
            sealed_count,
            opened_count,
        }
    }

    fn send(&mut self, typ: ContentType, payload: &[u8]) {
        let version = ProtocolVersion::TLSv1_3;
        let plain = OutboundPlainMessage { typ, version, payload: payload.into() };
        let sealed = self.sealer.encrypt(plain, self.sealed_count).expect("sealed");
        self.sealed_count += 1;
        self.stream.write_all(&sealed.encode()).expect("sent");
    }

    /// The payload of the next record of application data.
    fn receive(&mut self) -> Vec<u8> {
        loop {
            let mut head = [0; 5];
            self.stream.read_exact(&mut head).expect("a record");
            let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            self.stream.read_exact(&mut body).expect("a record");
            let sealed = InboundOpaqueMessage::new(
                ContentType::ApplicationData,
                ProtocolVersion::TLSv1_2,
                &mut body,
            );
            let opened = self.opener.decrypt(sealed, self.opened_count).expect("opened");
            self.opened_count += 1;
            if opened.typ == ContentType::ApplicationData {
                return opened.payload.to_vec();
            }
        }
    }
}

fn key_and_iv(
    secrets: ConnectionTrafficSecrets,
) -> (rustls::crypto::cipher::AeadKey, rustls::crypto::cipher::Iv) {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => panic!("no suite of TLS 1.3"),
    }
}

/// Half a message of TLS itself lies there while the gateway encrypts an answer.
#[test]
fn a_message_in_two_records_may_have_an_answer_between_them() {
    let (asked_sender, asked) = mpsc::channel();
    let (go, may_answer) = mpsc::channel::<()>();
    let may_answer = std::sync::Mutex::new(may_answer);
    let target = Upstream::start(move |_, peer| {
        loop {
            peer.request()?;
            let _ = asked_sender.send(());
            let _ = may_answer.lock().expect("one connection").recv();
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody")?;
        }
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = Records::connect(&gateway, &site.wants().speaking(&[&TLS13]).config());
    client.send(ContentType::ApplicationData, b"GET /a HTTP/1.1\r\nhost: a.example\r\n\r\n");
    asked.recv().expect("asked");
    let key_update = [24, 0, 0, 1, 0];
    client.send(ContentType::Handshake, &key_update[..2]);
    go.send(()).expect("the target waits");
    let mut answer = Vec::new();
    while !answer.ends_with(b"body") {
        answer.extend(client.receive());
    }
    client.send(ContentType::Handshake, &key_update[2..]);
    // From here on the client would need new keys; this record cannot be opened.
    client.send(ContentType::ApplicationData, b"GET /a HTTP/1.1\r\nhost: a.example\r\n\r\n");
    last_words(client.stream);
    assert_sound(&gateway);
    assert_eq!(site.connect(&gateway).get("a.example", "/mock").status, 200);
}

#[test]
fn renegotiation_is_not_done() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let address = gateway.address("public").to_string();
    let spawned = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-tls1_2", "-servername", "a.example"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Some(mut process) = external(spawned, "openssl") else { return };
    gateway.wait_for_metric(DONE, "TLSv1.2", 1.0);
    process.stdin.as_mut().expect("piped").write_all(b"R\n").expect("sent");
    let output = process.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("RENEGOTIATING"), "{text}");
    assert_sound(&gateway);
    assert_eq!(gateway.metric(DONE, ""), 1.0);
    let mut client = TlsClient::connect(gateway.address("public"), &site.config(), "a.example");
    assert_eq!(client.get("a.example", "/mock").status, 200);
}
