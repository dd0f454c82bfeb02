//! The boot file as users meet it: the examples in `config/`, the generated schema and commented
//! file, and how mistakes are told.
//!
//! `SHARDGATE_BLESS=1 cargo test --test settings` rewrites the generated files.

#[path = "settings/bounds.rs"]
mod bounds;
#[path = "settings/examples.rs"]
mod examples;
#[path = "settings/hostile.rs"]
mod hostile;
#[path = "settings/mistakes.rs"]
mod mistakes;
#[path = "settings/schema.rs"]
mod schema;

use shardgate::settings::{self, Diagnostics, Settings};

/// A file with one listener, one upstream and one API, and `more` at its end.
fn small_file(more: &str) -> String {
    format!("{SMALL}{more}\n")
}

fn parse(text: &str) -> Result<Settings, Diagnostics> {
    settings::parse("gateway.toml", text)
}

const SMALL: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["127.0.0.1:9000"]

[[api]]
name = "orders"

[[api.route]]
key = "$default"
upstream = "backend"
"#;
