//! Reads the PROXY protocol header at the start of a connection.

use crate::base::Fault;
use crate::proto::proxy_protocol::{self, ProxyStep};
use crate::rt::Peer;
use crate::transport::Transport;

/// Reads the header from the front of `stream` into `buffer`; what follows it stays in `buffer`.
/// Returns the source that it names, `None` where it names none (a health check of the proxy).
pub(super) async fn read_proxy_header(
    stream: &Transport,
    mut buffer: Vec<u8>,
) -> (Result<Option<Peer>, Fault>, Vec<u8>) {
    loop {
        match proxy_protocol::parse(&buffer) {
            Ok(ProxyStep::Done { consumed_bytes, source, .. }) => {
                buffer.drain(..consumed_bytes);
                return (Ok(source.map(Peer::Tcp)), buffer);
            }
            Ok(ProxyStep::Partial) if buffer.len() < buffer.capacity() => {}
            Ok(ProxyStep::Partial) => return (Err(Fault::BadProxyHeader), buffer),
            Err(fault) => return (Err(fault), buffer),
        }
        let (result, same_buffer) = stream.read_append(buffer).await;
        buffer = same_buffer;
        if !matches!(result, Ok(count) if count > 0) {
            return (Err(Fault::ClientGone), buffer);
        }
    }
}
