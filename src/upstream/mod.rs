//! Target groups as one shard sees them: connection pools, balancing, health, retries, circuit
//! breaking.
