//! The name in a Host, as tables have it.

/// Longest name of RFC 1035 section 2.3.4, as text.
pub(super) const HOST_BYTES_MAX: usize = 253;

/// The host without port, brackets and final dot, in lower case; `None` where it is longer than
/// any name.
pub(super) fn folded_name<'name>(
    host: &'name [u8],
    folded: &'name mut [u8; HOST_BYTES_MAX],
) -> Option<&'name [u8]> {
    let name = bare_name(host);
    if !name.iter().any(u8::is_ascii_uppercase) {
        return (name.len() <= HOST_BYTES_MAX).then_some(name);
    }
    let folded = folded.get_mut(..name.len())?;
    folded.copy_from_slice(name);
    folded.make_ascii_lowercase();
    Some(folded)
}

/// `[::1]:80` to `::1`, `example.com.:80` to `example.com`.
fn bare_name(host: &[u8]) -> &[u8] {
    if let Some(inside) = host.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inside).unwrap_or(inside.len());
        return inside.get(..end).unwrap_or_default();
    }
    let end = memchr::memchr(b':', host).unwrap_or(host.len());
    let name = host.get(..end).unwrap_or_default();
    name.strip_suffix(b".").unwrap_or(name)
}
