//! The resolver of the running gateway: hickory, over the system's own settings.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Resolver, TokioResolver, system_conf};

use super::dns::{Resolution, Resolve, ResolveError};

/// Looks names up as the system is told to: `/etc/hosts` first, then the servers and search
/// domains of `/etc/resolv.conf`. Both files are read again when they have changed.
#[derive(Debug)]
pub struct HickoryResolver {
    source: Source,
}

enum Source {
    System(Mutex<Option<Loaded>>),
    Fixed(TokioResolver),
}

struct Loaded {
    stamp: Stamp,
    resolver: TokioResolver,
}

/// When each of the system's files was changed.
type Stamp = [Option<SystemTime>; 2];

const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Longest time for one lookup, all servers, tries and search domains together.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(15);

impl HickoryResolver {
    /// Over the system's settings, which are read at the first lookup.
    #[must_use]
    pub const fn system() -> Self {
        Self { source: Source::System(Mutex::new(None)) }
    }

    /// Over these servers.
    pub fn with_config(config: ResolverConfig, options: ResolverOpts) -> Result<Self, NetError> {
        Ok(Self { source: Source::Fixed(build(config, options)?) })
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let loaded = match &self.source {
            Source::Fixed(resolver) => return Ok(resolver.clone()),
            Source::System(loaded) => loaded,
        };
        let stamp = SYSTEM_FILES.map(changed_at);
        // Whatever the holder did when it panicked, a whole resolver or none is in there.
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*loaded
            && loaded.stamp == stamp
        {
            return Ok(loaded.resolver.clone());
        }
        let resolver = build_from_system()?;
        *loaded = Some(Loaded { stamp, resolver: resolver.clone() });
        Ok(resolver)
    }

    async fn look_up(&self, host: &str) -> Result<Resolution, ResolveError> {
        // A single label is looked up like any other; `Name` alone would take anything.
        let name = Name::from_utf8(host).map_err(|error| ResolveError::BadName {
            name: host.to_owned(),
            reason: error.to_string(),
        })?;
        let failed = |error: NetError| {
            if error.is_no_records_found() || error.is_nx_domain() {
                ResolveError::NoAddress { name: host.to_owned() }
            } else {
                ResolveError::Failed { name: host.to_owned(), reason: error.to_string() }
            }
        };
        let answer = self.resolver().map_err(failed)?.lookup_ip(name).await.map_err(failed)?;
        let ttl = answer.valid_until().saturating_duration_since(Instant::now());
        Resolution::new(host, answer.iter(), ttl)
    }
}

impl Resolve for HickoryResolver {
    async fn resolve(&self, host: &str) -> Result<Resolution, ResolveError> {
        let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, self.look_up(host));
        lookup.await.unwrap_or_else(|_| {
            Err(ResolveError::Failed {
                name: host.to_owned(),
                reason: format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()),
            })
        })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::System(_) => "System",
            Self::Fixed(_) => "Fixed",
        })
    }
}

/// Without a readable `/etc/resolv.conf` that names a server, `/etc/hosts` and `localhost` still
/// work.
fn build_from_system() -> Result<TokioResolver, NetError> {
    let (config, options) = match system_conf::read_system_conf() {
        Ok(settings) => settings,
        Err(error) => {
            tracing::warn!(%error, "no DNS servers: only /etc/hosts is used");
            (ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default())
        }
    };
    build(config, options)
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    // We ask when an answer is over by our own bounds; a cache below would answer instead of the
    // server, and keep a negative answer for up to a day.
    options.cache_size = 0;
    options.ip_strategy = if has_ipv6_route() {
        LookupIpStrategy::Ipv4AndIpv6
    } else {
        LookupIpStrategy::Ipv4thenIpv6
    };
    // An answer that does not fit a datagram, or a server that drops them.
    options.try_tcp_on_error = true;
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

/// Whether this machine could reach an IPv6 address at all. On one that cannot, half the targets of
/// a dual-stack name would be dead (`getaddrinfo` asks the same, see AI_ADDRCONFIG in RFC 3493).
/// Connecting a datagram socket sends nothing.
fn has_ipv6_route() -> bool {
    UdpSocket::bind("[::]:0").and_then(|socket| socket.connect("[2001:db8::1]:9")).is_ok()
}

fn changed_at(path: impl AsRef<Path>) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use hickory_resolver::config::{NameServerConfig, ProtocolConfig, ResolveHosts};
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, CNAME};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::control::dns::ADDRESSES_PER_NAME_MAX;

    /// A DNS server on loopback that answers by the name: real packets, our own answers.
    async fn serve_udp(socket: UdpSocket) {
        let mut packet = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
            let Some(mut answer) = answer(&packet[..length]) else { continue };
            if answer.answers.len() > 20 {
                answer.answers.clear();
                answer.metadata.truncation = true;
            }
            let bytes = answer.to_vec().expect("an answer that can be written");
            let _ = socket.send_to(&bytes, peer).await;
        }
    }

    /// The same for what does not fit a datagram (RFC 7766: each message after its length).
    async fn serve_tcp(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut packet = vec![0; usize::from(length)];
                    if stream.read_exact(&mut packet).await.is_err() {
                        return;
                    }
                    let Some(answer) = answer(&packet) else { return };
                    let bytes = answer.to_vec().expect("an answer that can be written");
                    let length = u16::try_from(bytes.len()).expect("below 64 KiB");
                    let _ = stream.write_u16(length).await;
                    let _ = stream.write_all(&bytes).await;
                }
            });
        }
    }

    fn answer(packet: &[u8]) -> Option<Message> {
        let query = Message::from_vec(packet).ok()?;
        let question = query.queries.first()?.clone();
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        let (name, is_a) = (question.name().clone(), question.query_type() == RecordType::A);
        let text = name.to_lowercase().to_utf8();
        answer.add_query(question);
        let a = |ttl, last| {
            Record::from_rdata(name.clone(), ttl, RData::A(A(Ipv4Addr::new(10, 1, 0, last))))
        };
        match text.as_str() {
            "two.test." if is_a => {
                answer.add_answers([a(30, 2), a(30, 1)]);
            }
            "zero.test." if is_a => {
                answer.add_answers([a(0, 1)]);
            }
            "many.test." if is_a => {
                answer.add_answers((0..=255_u8).map(|last| a(30, last)));
                answer.add_answers((0..=255_u8).map(|last| {
                    let address = A(Ipv4Addr::new(10, 2, 0, last));
                    Record::from_rdata(name.clone(), 30, RData::A(address))
                }));
            }
            "loop.test." => {
                answer.add_answers([Record::from_rdata(
                    name.clone(),
                    30,
                    RData::CNAME(CNAME(name)),
                )]);
            }
            "ping.test." | "pong.test." => {
                let other = if text == "ping.test." { "pong.test." } else { "ping.test." };
                let other = CNAME(Name::from_ascii(other).ok()?);
                answer.add_answers([Record::from_rdata(name, 30, RData::CNAME(other))]);
            }
            "unspecified.test." if is_a => {
                let address = RData::A(A(Ipv4Addr::UNSPECIFIED));
                answer.add_answers([Record::from_rdata(name, 30, address)]);
            }
            "refused.test." => answer.metadata.response_code = ResponseCode::Refused,
            "unknown.test." => answer.metadata.response_code = ResponseCode::NXDomain,
            _ => {}
        }
        Some(answer)
    }

    async fn resolver() -> HickoryResolver {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let udp_port = socket.local_addr().expect("bound").port();
        let tcp_port = listener.local_addr().expect("bound").port();
        tokio::spawn(serve_udp(socket));
        tokio::spawn(serve_tcp(listener));
        let mut server = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        for connection in &mut server.connections {
            let is_udp = matches!(connection.protocol, ProtocolConfig::Udp);
            connection.port = if is_udp { udp_port } else { tcp_port };
        }
        let mut options = ResolverOpts::default();
        options.use_hosts_file = ResolveHosts::Never;
        HickoryResolver::with_config(ResolverConfig::from_name_servers(vec![server]), options)
            .expect("a resolver")
    }

    #[tokio::test]
    async fn addresses_and_ttl() {
        let resolver = resolver().await;
        let answer = resolver.resolve("two.test.").await.expect("two addresses");
        let expected = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 1, 0, last)));
        assert_eq!(answer.addresses, expected);
        assert!(answer.ttl <= Duration::from_secs(30) && answer.ttl > Duration::from_secs(20));
        let zero = resolver.resolve("zero.test.").await.expect("one address");
        assert_eq!(zero.ttl, Duration::ZERO);
    }

    #[tokio::test]
    async fn hostile_answers_are_errors_or_bounded() {
        let resolver = resolver().await;
        for name in ["empty.test.", "unknown.test.", "unspecified.test."] {
            let error = resolver.resolve(name).await.expect_err(name);
            assert_eq!(error, ResolveError::NoAddress { name: name.to_owned() });
        }
        for name in ["loop.test.", "ping.test.", "refused.test."] {
            let answer = resolver.resolve(name).await;
            assert!(answer.is_err(), "{name}: {answer:?}");
        }
        // Too large for a datagram, so asked again over TCP, and still bounded.
        let many = resolver.resolve("many.test.").await.expect("over TCP");
        assert_eq!((many.addresses.len(), many.dropped_count), (ADDRESSES_PER_NAME_MAX, 256));
        let long = "a".repeat(64);
        for name in ["", "a..b", &long] {
            assert!(resolver.resolve(name).await.is_err(), "{name:?}");
        }
    }

    #[tokio::test]
    async fn the_hosts_file_and_localhost_work_without_a_server() {
        let answer = HickoryResolver::system().resolve("localhost").await.expect("loopback");
        assert!(answer.addresses.iter().all(IpAddr::is_loopback), "{answer:?}");
    }

    #[tokio::test]
    async fn an_unknown_file_has_no_stamp() {
        assert_eq!(changed_at("/nonexistent/hosts"), None);
        assert!(changed_at("/proc/self/exe").is_some());
    }
}
