//! `check`: whether `run` would take a file.

use super::arguments::CheckOptions;
use super::gateway::Gateway;
use super::{Exit, print, refuse, tls};
use crate::settings::{self, Diagnostics};

pub(super) fn perform(options: &CheckOptions) -> Exit {
    match check(options) {
        Ok(summary) => print(&summary),
        Err(mistakes) => refuse(&mistakes.render()),
    }
}

fn check(options: &CheckOptions) -> Result<String, Diagnostics> {
    let settings = settings::load(&options.file.config)?;
    let gateway = match options.cores {
        None => Gateway::here(settings)?,
        Some(count) => Gateway::on_cores(settings, &(0..count.get()).collect::<Vec<_>>())?,
    };
    let plan = gateway.compile()?;
    let warnings = tls::load(&gateway.settings)?;
    let routes = plan.stages.iter().map(|stage| stage.routes.len()).sum();
    let file = options.file.config.display();
    let mut summary = String::new();
    for warning in warnings {
        let help = warning.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        summary.push_str(&format!("{file}: warning: {warning}{help}\n"));
    }
    let domains = match gateway.settings.model.tls.domains.len() {
        0 => String::new(),
        domains => format!(", {}", count(domains, "domain")),
    };
    summary.push_str(&format!(
        "{file}: good: {}, {}, {}, {}, {}{domains}\n",
        count(gateway.cores.len(), "shard"),
        count(plan.listeners.len(), "listener"),
        count(plan.stages.len(), "API"),
        count(routes, "route"),
        count(plan.groups.len(), "upstream"),
    ));
    Ok(summary)
}

fn count(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::super::arguments::ConfigOptions;
    use super::*;

    fn check_text(text: &str, cores: u16) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let config = folder.path().join("gateway.toml");
        std::fs::write(&config, text).expect("written");
        let file = ConfigOptions { config };
        let options = CheckOptions { file, cores: NonZeroU16::new(cores) };
        check(&options).map_err(|mistakes| mistakes.to_string())
    }

    fn file(shards: &str, keys: [&str; 2]) -> String {
        let [one, two] = keys;
        format!(
            "[process]\nshards = {shards}\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\n\
             [[api]]\nname = \"a\"\nroute = [{{ key = \"{one}\", mock = {{}} }}, \
             {{ key = \"{two}\", mock = {{}} }}]\n"
        )
    }

    #[test]
    fn a_file_is_checked_for_another_machine() {
        let text = file("[0, 3]", ["GET /a", "GET /b"]);
        let summary = check_text(&text, 4).expect("four cores");
        assert!(summary.ends_with("2 shards, 1 listener, 1 API, 2 routes, 0 upstreams\n"));
        assert!(check_text(&text, 3).unwrap_err().contains("core 3"));
    }

    #[test]
    fn conflicts_are_drawn_at_their_routes() {
        let text = file("1", ["GET /{x}", "GET /{y}"]);
        let mistakes = check_text(&text, 1).unwrap_err();
        assert!(mistakes.contains("GET /{x}") && mistakes.contains("GET /{y}"), "{mistakes}");
        assert!(mistakes.contains("gateway.toml:8:"), "{mistakes}");
    }
}
