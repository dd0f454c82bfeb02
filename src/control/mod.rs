//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.
