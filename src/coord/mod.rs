//! The only cross-core code: configuration epochs, token leases, mailboxes, the board of target
//! health. What shards share is read-only or leased in batches.
