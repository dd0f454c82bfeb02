//! Counters, histograms, the access log: written by one shard, merged only when scraped.
