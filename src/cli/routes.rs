//! `routes`: all routes of a file, or what answers one request and why.

use std::fmt::Write as _;

use super::arguments::RoutesOptions;
use super::gateway::Gateway;
use super::{Exit, complain, print, refuse};
use crate::base::Method;
use crate::model::Model;
use crate::plan::Plan;
use crate::settings;

pub(super) fn perform(options: &RoutesOptions) -> Exit {
    let compiled = settings::load(&options.file.config).and_then(|settings| {
        // Which cores there are does not matter here.
        let gateway = Gateway { settings, cores: Vec::new() };
        gateway.compile().map(|plan| (gateway.settings.model, plan))
    });
    match (compiled, &options.method, &options.url) {
        (Err(mistakes), ..) => refuse(&mistakes.render()),
        (Ok((model, plan)), Some(method), Some(url)) => explain(&model, &plan, method, url),
        (Ok((model, plan)), ..) => print(&list(&model, &plan)),
    }
}

fn explain(model: &Model, plan: &Plan, method: &str, url: &str) -> Exit {
    let Some(target) = Target::parse(url) else {
        complain(&format!(
            "{url:?} is neither a URL (http://api.example.com/items/7) nor a path (/items/7)"
        ));
        return Exit::Refused;
    };
    if !is_token(method) {
        complain(&format!("{method:?} is not a method"));
        return Exit::Refused;
    }
    let host = target.host.map_or_else(|| any_host(model), str::to_owned);
    let method = Method::from_token(method.as_bytes());
    let explanation = plan.explain(host.as_bytes(), method, target.path.as_bytes());
    let found = explanation.stage.as_ref().is_some_and(|stage| stage.route.route.is_some());
    match print(&explanation.to_string()) {
        Exit::Done if !found => Exit::NoMatch,
        exit => exit,
    }
}

/// For a path without host: the first host of the file, as a name that matches it.
fn any_host(model: &Model) -> String {
    let hosts = model.apis.iter().flat_map(|api| &api.hosts);
    match hosts.map(String::as_str).next() {
        None | Some("*") => "localhost".to_owned(),
        Some(host) => host.replacen('*', "any", 1),
    }
}

/// What a request line and its Host say.
#[derive(Debug, Eq, PartialEq)]
struct Target<'a> {
    host: Option<&'a str>,
    /// Without query.
    path: &'a str,
}

impl<'a> Target<'a> {
    /// A URL of http or https, or a path.
    fn parse(url: &'a str) -> Option<Self> {
        let rest = url.split(['?', '#']).next().unwrap_or(url);
        if rest.starts_with('/') {
            return Some(Self { host: None, path: rest });
        }
        let (scheme, rest) = rest.split_once("://")?;
        let is_http = ["http", "https"].iter().any(|one| scheme.eq_ignore_ascii_case(one));
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        (is_http && !host.is_empty()).then_some(Self { host: Some(host), path })
    }
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// One line per route, in an order in which the first that fits a request takes it.
fn list(model: &Model, plan: &Plan) -> String {
    let mut text = String::new();
    for (stage, api) in plan.stages.iter().zip(&model.apis) {
        let base = match &*stage.labels.stage_name {
            "$default" => api.base_path.clone(),
            name => format!("{}/{name}", api.base_path),
        };
        let hosts = api.hosts.join(", ");
        let _ = writeln!(text, "{} ({}), hosts {hosts}, URLs under {base}/", api.name, api.id);
        let routes: Vec<_> = stage
            .router
            .list()
            .into_iter()
            .filter_map(|index| {
                Some((
                    stage.labels.route_keys.get(index as usize)?,
                    stage.routes.get(index as usize)?,
                ))
            })
            .collect();
        let width = routes.iter().map(|(key, _)| key.len()).max().unwrap_or(0).min(WIDTH_MAX);
        for (key, route) in routes {
            let answer = stage.integration_text(&route.integration);
            let _ = writeln!(text, "  {key:width$}  {answer}");
        }
    }
    text
}

const WIDTH_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[listener]]
        name = "public"
        address = "127.0.0.1:0"

        [[upstream]]
        name = "backend"
        targets = ["127.0.0.1:9000"]

        [[api]]
        name = "shop"
        hosts = ["*.shop.example"]
        route = [
            { key = "$default", mock = { status = 404 } },
            { key = "GET /items/{id}", upstream = "backend" },
        ]
    "#;

    fn compiled() -> (Model, Plan) {
        let model = settings::parse("test.toml", FILE).expect("no mistakes").model;
        let plan = crate::plan::compile(&model, 1).expect("no conflicts");
        (model, plan)
    }

    #[test]
    fn routes_are_listed_in_the_order_of_precedence() {
        let (model, plan) = compiled();
        let text = list(&model, &plan);
        let (item, default) = (text.find("GET /items/{id}"), text.find("$default"));
        assert!(item.is_some() && item < default, "{text}");
        assert!(text.contains("*.shop.example") && text.contains("`backend`"), "{text}");
    }

    #[test]
    fn a_request_is_explained_by_url_or_by_path() {
        let (model, plan) = compiled();
        let explain = |method, url| super::explain(&model, &plan, method, url);
        assert_eq!(explain("GET", "http://a.shop.example/items/7?x=1"), Exit::Done);
        assert_eq!(explain("GET", "/items/7"), Exit::Done);
        assert_eq!(explain("GET", "http://elsewhere.example/"), Exit::NoMatch);
        assert_eq!(explain("GET", "items/7"), Exit::Refused);
        assert_eq!(explain("G T", "/items/7"), Exit::Refused);
    }

    #[test]
    fn targets_are_read_without_their_query() {
        let parsed = |host, path| Some(Target { host, path });
        assert_eq!(Target::parse("/a/b?c#d"), parsed(None, "/a/b"));
        assert_eq!(Target::parse("HTTPS://x:81/a?b"), parsed(Some("x:81"), "/a"));
        assert_eq!(Target::parse("http://x?b"), parsed(Some("x"), "/"));
        assert_eq!(Target::parse("http:///a"), None);
        assert_eq!(Target::parse("ftp://x/a"), None);
        assert_eq!(Target::parse(""), None);
    }
}
