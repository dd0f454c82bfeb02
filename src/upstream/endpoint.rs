//! provisional, replaced by coord's type
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum EndpointAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Health {
    Unknown,
    Healthy,
    Unhealthy,
}
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: EndpointAddress,
    pub weight: u32,
    pub health: Arc<AtomicU8>,
    pub host: Arc<str>,
}
impl Endpoint {
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }
}
