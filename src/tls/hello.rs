//! The first message of a client, read before anything of the connection is decided: the domain,
//! and with it the configuration, follows from the name in it.

use std::fmt;

use rustls::server::{Accepted, Acceptor, ClientHello};
use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

/// Reads a client's first message from bytes as they come.
#[derive(Default)]
pub struct HelloReader {
    acceptor: Acceptor,
    /// The first bytes: as many as it takes to the client's version.
    start: Vec<u8>,
}

/// What the bytes so far are.
pub enum HelloStep {
    /// Not the whole message yet.
    More,
    /// The message is whole.
    Hello {
        /// Goes on with [`Accepted::into_connection`] once the configuration is chosen.
        accepted: Box<Accepted>,
        /// How many bytes at the end of the last input were not taken; they are the connection's.
        unread_bytes: usize,
    },
    /// Plain HTTP on a port for TLS: to be answered 400 in plain HTTP.
    PlainHttp,
    /// No TLS, or none that is offered. The alert is sent before the connection is closed.
    Refused {
        /// Why.
        error: rustls::Error,
        /// Bytes for the client.
        alert: Vec<u8>,
    },
}

impl HelloReader {
    /// Takes further bytes; none of before are given again.
    pub fn push(&mut self, mut bytes: &[u8]) -> HelloStep {
        if self.start.is_empty() && bytes.first().is_some_and(|first| first.is_ascii_alphabetic()) {
            return HelloStep::PlainHttp;
        }
        let missing = VERSION_END.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(&bytes[..missing]);
        while !bytes.is_empty() {
            // Reading from a slice fails only where rustls says that its own bound is reached.
            if let Err(error) = self.acceptor.read_tls(&mut bytes) {
                let error = rustls::Error::General(error.to_string());
                return HelloStep::Refused { error, alert: Vec::new() };
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let (accepted, unread_bytes) = (Box::new(accepted), bytes.len());
                    return HelloStep::Hello { accepted, unread_bytes };
                }
                Err((error, mut pending)) => {
                    let mut alert = Vec::new();
                    // Writing into memory does not fail.
                    let _ = pending.write_all(&mut alert);
                    if let Some(description) = self.better_alert(&error, alert.is_empty()) {
                        alert = fatal_alert(description).to_vec();
                    }
                    return HelloStep::Refused { error, alert };
                }
            }
        }
        HelloStep::More
    }

    /// The alert that the standard wants where rustls sends none, or a more general one.
    fn better_alert(&self, error: &Error, is_silent: bool) -> Option<AlertDescription> {
        match error {
            // RFC 8446 section 5.1.
            Error::InvalidMessage(InvalidMessage::MessageTooLarge) => {
                Some(AlertDescription::RecordOverflow)
            }
            // Who is older than TLS 1.2 lacks the extension (RFC 5246 section 7.4.1.4.1), and is to
            // be told that it is the version (appendix E.1).
            Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired)
                if self.is_before_tls12() =>
            {
                Some(AlertDescription::ProtocolVersion)
            }
            Error::AlertReceived(_) => None,
            // RFC 8446 section 5.
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
                Some(AlertDescription::UnexpectedMessage)
            }
            _ if is_silent => Some(AlertDescription::DecodeError),
            _ => None,
        }
    }

    fn is_before_tls12(&self) -> bool {
        self.start.get(VERSION_END - 2..VERSION_END).is_some_and(|version| version < &[3, 3][..])
    }
}

/// A fatal alert in the clear.
fn fatal_alert(description: AlertDescription) -> [u8; 7] {
    [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, u8::from(description)]
}

/// Where the version of the client ends: behind the heads of the record and of the message.
const VERSION_END: usize = 5 + 4 + 2;

impl fmt::Debug for HelloReader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HelloReader(has_begun: {})", !self.start.is_empty())
    }
}

impl fmt::Debug for HelloStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::More => out.write_str("More"),
            Self::PlainHttp => out.write_str("PlainHttp"),
            Self::Refused { error, .. } => write!(out, "Refused({error})"),
            Self::Hello { accepted, unread_bytes } => {
                let hello: ClientHello<'_> = accepted.client_hello();
                write!(out, "Hello({:?}, {unread_bytes} unread)", hello.server_name())
            }
        }
    }
}

/// For a client that asks for a name that is refused: a fatal `unrecognized_name` (RFC 6066
/// section 3) in the clear.
pub const UNRECOGNIZED_NAME_ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::test_handshake::{client_hello, waiting_client};

    #[test]
    fn the_name_is_read_from_pieces_of_any_size() {
        let bytes = client_hello("api.example.com");
        for size in [1, 2, 5, 100, bytes.len()] {
            let mut reader = HelloReader::default();
            let mut found = None;
            for piece in bytes.chunks(size) {
                match reader.push(piece) {
                    HelloStep::More => {}
                    HelloStep::Hello { accepted, unread_bytes } => {
                        assert_eq!(unread_bytes, 0);
                        found = accepted.client_hello().server_name().map(str::to_owned);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(found.as_deref(), Some("api.example.com"), "{size}");
        }
    }

    #[test]
    fn plain_http_is_told_from_tls() {
        for text in ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "get"] {
            let step = HelloReader::default().push(text.as_bytes());
            assert!(matches!(step, HelloStep::PlainHttp), "{text}: {step:?}");
        }
    }

    #[test]
    fn garbage_is_refused_with_an_alert() {
        let garbage: [&[u8]; 4] = [
            &[0; 64],
            &[0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 0],
            // A ClientHello of 16 MB, announced only.
            &[0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
            &[0x15, 3, 1, 0, 2, 2, 0],
        ];
        for bytes in garbage {
            let step = HelloReader::default().push(bytes);
            assert!(matches!(step, HelloStep::Refused { .. }), "{bytes:?}: {step:?}");
        }
    }

    #[test]
    fn a_message_without_end_is_refused_before_it_fills_memory() {
        let mut reader = HelloReader::default();
        // Records of a handshake message that says it has 65,000 bytes more than come.
        let mut record = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        let mut steps = 0;
        while let HelloStep::More = reader.push(&record) {
            steps += 1;
            assert!(steps < 16, "a quarter of a megabyte was taken");
        }
    }

    #[test]
    fn every_bent_message_is_handled() {
        let bytes = client_hello("api.example.com");
        for index in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[index] ^= 0xff;
            let _ = HelloReader::default().push(&bent);
            let step = HelloReader::default().push(&bytes[..index]);
            assert!(matches!(step, HelloStep::More), "{index}: {step:?}");
        }
    }

    #[test]
    fn the_alert_is_what_clients_know() {
        let mut client = waiting_client("api.example.com");
        let mut bytes = &UNRECOGNIZED_NAME_ALERT[..];
        client.read_tls(&mut bytes).expect("read");
        let error = client.process_new_packets().expect_err("an alert");
        assert_eq!(error, rustls::Error::AlertReceived(rustls::AlertDescription::UnrecognisedName));
    }
}
