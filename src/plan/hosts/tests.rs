//! Hosts, base paths and stages, by example and against a scan of all APIs.

use proptest::prelude::*;

use super::*;
use crate::model::Stage;

fn api(id: &str, hosts: &[&str], base_path: &str, stage: &str) -> Api {
    Api {
        id: id.into(),
        name: id.into(),
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
        base_path: base_path.into(),
        stage: Stage { name: stage.into(), throttle: None, routes: Vec::new() },
    }
}

fn table(apis: &[Api]) -> HostTable {
    HostTable::compile(apis).expect("no conflicts")
}

fn found(stage_index: u32, prefix_bytes: u16) -> HostMatch {
    HostMatch::Found { stage_index, prefix_bytes }
}

fn find(table: &HostTable, host: &str, path: &str) -> HostMatch {
    table.find(host.as_bytes(), path.as_bytes())
}

fn hosts_table() -> HostTable {
    table(&[
        api("exact", &["api.example.com"], "", "$default"),
        api("wild", &["*.example.com"], "", "$default"),
        api("deep", &["*.eu.example.com"], "", "$default"),
        api("v6", &["[::1]"], "", "$default"),
    ])
}

#[test]
fn the_exact_host_goes_before_wildcards_and_the_longest_suffix_first() {
    let table = hosts_table();
    assert_eq!(find(&table, "api.example.com", "/"), found(0, 0));
    assert_eq!(find(&table, "www.example.com", "/"), found(1, 0));
    assert_eq!(find(&table, "a.b.example.com", "/"), found(1, 0));
    assert_eq!(find(&table, "a.b.eu.example.com", "/"), found(2, 0));
    assert_eq!(find(&table, "eu.example.com", "/"), found(1, 0));
    for missed in ["example.com", ".example.com", "badexample.com", "", ".", "example.com.evil"] {
        assert_eq!(find(&table, missed, "/"), HostMatch::NoHost, "{missed}");
    }
    assert_eq!(table.pattern(b"a.b.EU.example.com:1").as_deref(), Some("*.eu.example.com"));
    assert_eq!(table.pattern(b"API.example.com").as_deref(), Some("api.example.com"));
    assert_eq!(table.pattern(b"example.com"), None);
}

#[test]
fn case_port_and_final_dot_make_no_difference() {
    let table = hosts_table();
    for host in
        ["API.Example.COM", "api.example.com:8443", "api.example.com.", "Api.example.com.:1"]
    {
        assert_eq!(find(&table, host, "/"), found(0, 0), "{host}");
    }
    assert_eq!(find(&table, "WWW.Example.com:80", "/"), found(1, 0));
    assert_eq!(find(&table, "[::1]:8080", "/"), found(3, 0));
    assert_eq!(find(&table, "[::1]", "/"), found(3, 0));
    assert_eq!(find(&table, "[::2]:8080", "/"), HostMatch::NoHost);
    assert_eq!(find(&table, "[::1", "/"), found(3, 0), "proto refuses it before it gets here");
}

#[test]
fn the_star_takes_what_nothing_else_takes() {
    let with_star =
        table(&[api("a", &["a.test"], "", "$default"), api("b", &["*"], "", "$default")]);
    assert_eq!(find(&with_star, "a.test", "/"), found(0, 0));
    for other in ["b.test", "", &"x.".repeat(4_000), "[::1]:1"] {
        assert_eq!(find(&with_star, other, "/"), found(1, 0));
    }
    assert_eq!(with_star.pattern(b"b.test").as_deref(), Some("*"));
    let only_star = table(&[api("b", &["*"], "", "$default")]);
    assert_eq!(find(&only_star, "anything", "/"), found(0, 0));
    assert_eq!(find(&HostTable::default(), "anything", "/"), HostMatch::NoHost);
}

#[test]
fn names_up_to_253_bytes_are_looked_up() {
    let label = "a".repeat(63);
    let suffix = format!("{label}.{label}.{label}.example");
    let at_bound = format!("{}.{suffix}", "B".repeat(HOST_BYTES_MAX - 1 - suffix.len()));
    assert_eq!(at_bound.len(), HOST_BYTES_MAX);
    let table = table(&[api("wild", &[&format!("*.{suffix}")], "", "$default")]);
    assert_eq!(find(&table, &at_bound, "/"), found(0, 0));
    assert_eq!(find(&table, &at_bound[1..], "/"), found(0, 0));
    assert_eq!(find(&table, &format!("b{at_bound}"), "/"), HostMatch::NoHost);
    assert!(HostTable::compile(&[api("long", &[&"a".repeat(254)], "", "$default")]).is_err());
}

#[test]
fn a_wildcard_inside_a_name_is_refused() {
    for host in ["a.*.com", "*a.com", "*.", "**", "*.*.com", "", "a*"] {
        let errors =
            HostTable::compile(&[api("shop", &[host], "", "$default")]).expect_err("not a host");
        assert!(errors[0].message.starts_with("API `shop`: host `"), "{host}");
    }
    assert!(HostTable::compile(&[api("shop", &[], "", "$default")]).is_err());
}

#[test]
fn base_paths_end_at_segments_and_the_longest_goes_first() {
    let table = table(&[
        api("root", &["*"], "", "$default"),
        api("v1", &["*"], "/v1", "$default"),
        api("items", &["*"], "/v1/shop/items", "$default"),
    ]);
    assert_eq!(find(&table, "h", "/v1"), found(1, 3));
    assert_eq!(find(&table, "h", "/v1/"), found(1, 3));
    assert_eq!(find(&table, "h", "/v1/shop/item"), found(1, 3));
    assert_eq!(find(&table, "h", "/v1/shop/items/7"), found(2, 14));
    assert_eq!(find(&table, "h", "/v10/x"), found(0, 0));
    assert_eq!(find(&table, "h", "/"), found(0, 0));
    assert_eq!(find(&table, "h", ""), found(0, 0));
    assert_eq!(find(&table, "h", "*"), found(0, 0));
    assert_eq!(find(&table, "h", "//v1"), found(0, 0));
    assert_eq!(find(&table, "h", "/V1"), found(0, 0), "paths are case-sensitive");
    assert_eq!(find(&table, "h", "/%76%31/x"), found(1, 7), "counted as sent");
    assert_eq!(find(&table, "h", "/v1%2Fshop/items"), found(0, 0), "an encoded slash is no slash");
}

#[test]
fn a_stage_is_named_by_the_segment_after_the_base_path() {
    let table = table(&[
        api("prod", &["*"], "/shop", "prod"),
        api("test", &["*"], "/shop", "test"),
        api("other", &["*"], "/shop", "$default"),
        api("strict", &["strict.test"], "", "prod"),
    ]);
    assert_eq!(find(&table, "h", "/shop/prod/items"), found(0, 10));
    assert_eq!(find(&table, "h", "/shop/test"), found(1, 10));
    assert_eq!(find(&table, "h", "/shop/production"), found(2, 5));
    assert_eq!(find(&table, "h", "/shop"), found(2, 5));
    assert_eq!(find(&table, "h", "/shop//prod"), found(2, 5));
    assert_eq!(find(&table, "h", "/shop/$default/x"), found(2, 5), "a name, but not in URLs");
    assert_eq!(find(&table, "h", "/prod"), HostMatch::NoPath);
    assert_eq!(find(&table, "strict.test", "/prod/x"), found(3, 5));
    assert_eq!(find(&table, "strict.test", "/items"), HostMatch::NoPath);
    assert_eq!(find(&table, "strict.test", "/shop"), HostMatch::NoPath, "the host is settled");
    assert_eq!(find(&table, "strict.test", "*"), HostMatch::NoPath);
}

#[test]
fn a_chosen_base_path_stays_chosen() {
    let table = table(&[api("root", &["*"], "", "$default"), api("v1", &["*"], "/v1", "prod")]);
    assert_eq!(find(&table, "h", "/v1/prod"), found(1, 8));
    assert_eq!(find(&table, "h", "/v1/items"), HostMatch::NoPath);
}

#[test]
fn prefixes_over_65535_bytes_match_nothing() {
    let text = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    let table = table(&[api("long", &["*"], &text(65_535), "$default")]);
    assert_eq!(find(&table, "h", &text(65_535)), found(0, 65_535));
    let encoded = text(65_535).replacen('x', "%78", 1);
    assert_eq!(find(&table, "h", &encoded), HostMatch::NoPath);
}

#[test]
fn every_conflict_names_both_apis() {
    let errors = HostTable::compile(&[
        api("one", &["a.test", "b.test"], "/v1", "$default"),
        api("two", &["B.test"], "/v1", "$default"),
        api("three", &["a.test"], "/v1", "prod"),
        api("four", &["*", "*"], "", "$default"),
        api("five", &["a.test"], "/v1", "$default"),
    ])
    .expect_err("conflicts");
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "APIs `one` and `two` both answer to host `B.test`, base path `/v1`, stage `$default`",
            "API `four` names host `*` twice",
            "APIs `one` and `five` both answer to host `a.test`, base path `/v1`, stage `$default`",
        ]
    );
    assert_eq!((errors[0].api_index, errors[0].other_api_index), (1, Some(0)));
}

/// Segments of a path after its first slash, with where each ends.
fn segments(path: &str) -> Vec<(String, usize)> {
    let Some(rest) = path.strip_prefix('/') else { return Vec::new() };
    let mut end = 0;
    let with_end = |segment: &str| {
        end += 1 + segment.len();
        (segment.replace("%61", "a"), end)
    };
    rest.split('/').map(with_end).collect()
}

/// What the table should find, by looking at every API.
fn reference(apis: &[Api], host: &str, path: &str) -> HostMatch {
    let fits = |pattern: &str| match pattern.strip_prefix('*') {
        None => pattern == host,
        Some(suffix) => {
            host.strip_suffix(suffix).is_some_and(|label| suffix.is_empty() || !label.is_empty())
        }
    };
    let rank = |pattern: &str| (!pattern.starts_with('*'), pattern.len());
    let hosts = apis.iter().flat_map(|api| &api.hosts).filter(|one| fits(one));
    let Some(best) = hosts.max_by_key(|one| rank(one)) else { return HostMatch::NoHost };
    let here = segments(path);
    let depth = |api: &Api| {
        let base: Vec<_> = api.base_path.split('/').skip(1).collect();
        let equal = base.len() <= here.len() && base.iter().zip(&here).all(|(a, (b, _))| a == b);
        equal.then_some(base.len())
    };
    let mounted = || apis.iter().enumerate().filter(|(_, api)| api.hosts.contains(best));
    let Some(longest) = mounted().filter_map(|(_, api)| depth(api)).max() else {
        return HostMatch::NoPath;
    };
    let stage = |name: &str| {
        mounted()
            .find(|(_, api)| depth(api) == Some(longest) && api.stage.name == name)
            .map(|(index, _)| index as u32)
    };
    let prefix = longest.checked_sub(1).map_or(0, |last| here[last].1);
    let named = here
        .get(longest)
        .filter(|(name, _)| name != "$default")
        .and_then(|(name, end)| Some((stage(name)?, *end)));
    match named.or_else(|| Some((stage("$default")?, prefix))) {
        Some((index, end)) => found(index, end as u16),
        None => HostMatch::NoPath,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_table_finds_what_a_scan_finds(
        places in proptest::collection::vec(
            (
                proptest::sample::select(vec!["a.t", "b.a.t", "*.t", "*.a.t", "*", "t"]),
                proptest::sample::select(vec!["", "/a", "/a/b", "/b", "/a/a/a", "/prod"]),
                proptest::sample::select(vec!["$default", "prod", "a"]),
            ),
            0..16,
        ),
        requests in proptest::collection::vec(
            (
                proptest::sample::select(vec!["a.t", "b.a.t", "c.b.a.t", "t", "x.t", "z"]),
                "(/(a|b|prod|%61|\\$default|)){0,5}",
            ),
            8,
        ),
    ) {
        let mut apis: Vec<Api> = Vec::new();
        for (host, base, stage) in places {
            let one = api("id", &[host], base, stage);
            if !apis.contains(&one) {
                apis.push(one);
            }
        }
        let table = table(&apis);
        for (host, path) in requests {
            prop_assert_eq!(
                find(&table, host, &path), reference(&apis, host, &path), "{} {}", host, path
            );
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        host in proptest::collection::vec(any::<u8>(), 0..300),
        path in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let found = hosts_table().find(&host, &path);
        if let HostMatch::Found { prefix_bytes, .. } = found {
            prop_assert!(usize::from(prefix_bytes) <= path.len());
        }
    }
}
