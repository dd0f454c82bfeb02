//! What each client sends and what each target does with it, made from the seed alone.

use super::random::Random;

/// One client connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) requests: Vec<Request>,
    pub(crate) ending: Ending,
    /// For splitting and pausing.
    pub(crate) random: Random,
}

/// What the client does when it has sent what it wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// Waits for all answers, then closes.
    Waits,
    /// Ends its sending side, then waits for all answers.
    HalfCloses,
    /// Stops after so many bytes of the last request, and ends its sending side.
    CutsLast(usize),
    /// Stops after so many bytes of the last request, and closes without reading.
    Vanishes(usize),
}

/// One request. Its token is unlike any other of the run.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) token: String,
    pub(crate) method: &'static str,
    pub(crate) kind: Kind,
    pub(crate) version: &'static str,
    pub(crate) says_close: bool,
    pub(crate) body: Body,
    /// Of the answer of a target.
    pub(crate) answer_bytes: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Mock,
    Redirect,
    /// Not HTTP: refused.
    Malformed,
    Proxied(Fate),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Body {
    None,
    Length(usize),
    Chunked(usize),
}

/// What a target does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    EchoLength,
    EchoChunked,
    EchoUntilClose,
    /// An interim answer first.
    EchoAfterInterim,
    /// Answers, says nothing, and closes.
    EchoThenClose,
    /// Answers (shortly), and sends bytes that nobody asked for.
    EchoThenSurplus,
    /// Closes at the first try, answers at the next.
    DieOnce,
    /// Always closes without a word.
    Die,
    /// Closes within the head.
    HalfHead,
    /// Closes within the body.
    HalfBody,
    /// Sends what is no answer.
    Malformed,
    /// Answers without reading the body, and closes.
    Early,
}

pub(crate) const FATES: [Fate; 12] = [
    Fate::EchoLength,
    Fate::EchoChunked,
    Fate::EchoUntilClose,
    Fate::EchoAfterInterim,
    Fate::EchoThenClose,
    Fate::EchoThenSurplus,
    Fate::DieOnce,
    Fate::Die,
    Fate::HalfHead,
    Fate::HalfBody,
    Fate::Malformed,
    Fate::Early,
];

/// All connections of the run, by client: a client opens its connections one after the other.
pub(crate) fn clients(seed: u64) -> Vec<Vec<Connection>> {
    let mut random = Random::new(seed);
    let clients_count = 1 + random.below(4);
    // Some runs have no faults, some have many.
    let sound_in_ten = random.pick(&[10, 8, 4]);
    let connection = |client: usize, number: usize, random: &mut Random| {
        let requests_count = 1 + random.below(12);
        let mut requests: Vec<_> = (0..requests_count)
            .map(|index| {
                let token = format!("t{seed}-{client}-{number}-{index}");
                let is_last = index + 1 == requests_count;
                Request::random(token, is_last, sound_in_ten, random)
            })
            .collect();
        let mut ending = Ending::Waits;
        if let Some(last) = requests.last_mut() {
            let bytes = last.bytes().len();
            ending = match random.below(8) {
                0 | 1 => Ending::HalfCloses,
                2 => Ending::CutsLast(random.below(bytes)),
                3 => Ending::Vanishes(random.below(bytes + 1)),
                _ => Ending::Waits,
            };
        }
        Connection { requests, ending, random: random.fork() }
    };
    let client = |client: usize, random: &mut Random| {
        let connections_count = 1 + random.below(4);
        (0..connections_count).map(|number| connection(client, number, random)).collect()
    };
    (0..clients_count).map(|number| client(number, &mut random)).collect()
}

impl Request {
    fn random(token: String, is_last: bool, sound_in_ten: usize, random: &mut Random) -> Self {
        let method = random.pick(&["GET", "GET", "HEAD", "PUT", "POST", "DELETE"]);
        let fate = if random.below(10) < sound_in_ten {
            random.pick(&FATES[..4])
        } else {
            random.pick(&FATES)
        };
        let kind = match random.below(10) {
            0 => Kind::Mock,
            1 => Kind::Redirect,
            2 if is_last => Kind::Malformed,
            _ => Kind::Proxied(fate),
        };
        let is_http_10 = is_last && random.once_in(5);
        let body = match (method, random.below(3)) {
            ("PUT" | "POST", 0) if !is_http_10 => Body::Chunked(random.body_bytes()),
            ("PUT" | "POST", _) => Body::Length(random.body_bytes()),
            _ => Body::None,
        };
        Self {
            token,
            method,
            kind,
            version: if is_http_10 { "HTTP/1.0" } else { "HTTP/1.1" },
            says_close: is_last && random.once_in(3),
            body,
            answer_bytes: match kind {
                Kind::Proxied(Fate::EchoThenSurplus) => random.below(4_000),
                _ => random.body_bytes(),
            },
        }
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { token, method, version, answer_bytes, .. } = self;
        let (path, fate) = match self.kind {
            Kind::Mock => ("/mock".to_owned(), String::new()),
            Kind::Redirect => (format!("/old/{token}"), String::new()),
            Kind::Malformed => {
                let lines = format!("{method} /{token} HTTP/1.1\r\nhost: a\r\nno field\r\n\r\n");
                return lines.into_bytes();
            }
            Kind::Proxied(fate) => (format!("/target/{token}"), format!("x-fate: {fate:?}\r\n")),
        };
        let mut bytes = format!(
            "{method} {path} {version}\r\nhost: a\r\nx-token: {token}\r\n\
             x-answer-bytes: {answer_bytes}\r\n{fate}"
        );
        if self.says_close {
            bytes += "connection: close\r\n";
        }
        match self.body {
            Body::None => {}
            Body::Length(count) => bytes += &format!("content-length: {count}\r\n"),
            Body::Chunked(_) => bytes += "transfer-encoding: chunked\r\n",
        }
        let mut bytes = (bytes + "\r\n").into_bytes();
        let payload = pattern(token, self.body.payload_bytes());
        if let Body::Chunked(_) = self.body {
            write_chunks(&payload, &mut bytes);
        } else {
            bytes.extend(payload);
        }
        bytes
    }

    /// Whether a target may have acted on it although no answer came, so that it is not sent
    /// again: a 502 is the honest answer then.
    pub(crate) fn may_fail_on_a_stale_connection(&self) -> bool {
        self.method == "POST"
            || matches!(self.body, Body::Chunked(_))
            || self.body.payload_bytes() > 8_000
    }
}

impl Body {
    pub(crate) fn payload_bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Length(count) | Self::Chunked(count) => count,
        }
    }
}

/// A body that belongs to a token and to no other.
pub(crate) fn pattern(token: &str, count: usize) -> Vec<u8> {
    token.bytes().chain([b' ']).cycle().take(count).collect()
}

/// Frames `payload` in chunks of lengths that its own length decides.
pub(crate) fn write_chunks(payload: &[u8], out: &mut Vec<u8>) {
    let mut random = Random::new(payload.len() as u64);
    let mut rest = payload;
    while !rest.is_empty() {
        let bytes_max = random.pick(&[1, 10, 1_000, 70_000]);
        let count = (1 + random.below(bytes_max)).min(rest.len());
        let (chunk, after) = rest.split_at(count);
        out.extend(format!("{count:x}\r\n").bytes());
        out.extend_from_slice(chunk);
        out.extend(b"\r\n");
        rest = after;
    }
    out.extend(b"0\r\n\r\n");
}
