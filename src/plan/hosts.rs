//! Finds the stage for a host and a path.

/// Hosts, base paths and stage names, compiled.
#[derive(Debug, Default)]
pub struct HostTable {}
