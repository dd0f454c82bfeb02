//! The boot file `gateway.toml`: one table of keys drives parsing, defaults, bounds, the JSON
//! Schema and the commented example.
