//! A name server for the authority: every name is 127.0.0.1, and TXT records are what the hook's
//! log says (`add NAME VALUE`, `remove NAME VALUE`).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

pub(crate) struct Names {
    address: SocketAddr,
}

impl Names {
    /// Answers until the test's process ends.
    pub(crate) fn start(zone: Option<PathBuf>) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        let address = socket.local_addr().expect("bound");
        std::thread::spawn(move || {
            let mut query = [0; 1_500];
            while let Ok((count, peer)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..count], zone.as_deref()) {
                    // A peer that is gone asks again or not.
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// RFC 1035 section 4.1: the header, the question as it came, and records that point to its name.
fn answer(query: &[u8], zone: Option<&Path>) -> Option<Vec<u8>> {
    let (name, question_end) = question_name(query)?;
    let kind = u16::from_be_bytes([*query.get(question_end)?, *query.get(question_end + 1)?]);
    let records: Vec<Vec<u8>> = match kind {
        A => vec![Ipv4Addr::LOCALHOST.octets().to_vec()],
        TXT => zone.map(|zone| txt_records(zone, &name)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut out = query.get(..2)?.to_vec();
    out.extend([0x85, 0x80, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    out.extend(query.get(12..question_end + 4)?);
    for data in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0]);
        out.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

fn question_name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join(".").to_ascii_lowercase(), at));
        }
        labels.push(String::from_utf8(query.get(at..at + length)?.to_vec()).ok()?);
        at += length;
    }
}

fn txt_records(zone: &Path, name: &str) -> Vec<Vec<u8>> {
    let log = std::fs::read_to_string(zone).unwrap_or_default();
    let mut values: Vec<String> = Vec::new();
    for line in log.lines() {
        match *line.split(' ').collect::<Vec<_>>() {
            ["add", of, value] if of == name => values.push(value.to_owned()),
            ["remove", of, value] if of == name => values.retain(|one| one != value),
            _ => {}
        }
    }
    let text = |value: String| {
        let mut data = vec![u8::try_from(value.len()).expect("short")];
        data.extend(value.into_bytes());
        data
    };
    values.into_iter().map(text).collect()
}

const A: u16 = 1;
const TXT: u16 = 16;
