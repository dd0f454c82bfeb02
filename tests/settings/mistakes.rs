//! Mistakes are all reported, at their places, with what was expected.

use shardgate::plan;
use shardgate::settings::{self, Diagnostics, Place};

/// The mistakes of `text`, as `(line, column, message)`.
fn mistakes(text: &str) -> Vec<(usize, usize, String)> {
    let mistakes = super::parse(text).expect_err("it has mistakes");
    places(&mistakes)
}

fn places(mistakes: &Diagnostics) -> Vec<(usize, usize, String)> {
    assert_eq!(mistakes.len(), mistakes.iter().count());
    mistakes.iter().map(|one| (one.line, one.column, one.message)).collect()
}

/// Checks that `found` are `expected`: line, column, and a part of the message.
#[track_caller]
fn assert_mistakes(found: &[(usize, usize, String)], expected: &[(usize, usize, &str)]) {
    let is_same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            (found.0, found.1) == (expected.0, expected.1) && found.2.contains(expected.2)
        });
    assert!(is_same, "found {found:#?}\nexpected {expected:#?}");
}

#[test]
fn many_mistakes_of_one_file_are_reported_at_once() {
    let text = r#"[proces]
shards = 1

[[listener]]
name = "public"
adress = "127.0.0.1:8080"
backlog = 0

[[listener]]
name = "public"
address = "127.0.0.1"
proxy_protocol = "on"

[limits]
head_bytes_max = "10k"
body_bytes_max = 1.5

[[upstream]]
name = "backend"
targets = ["127.0.0.1:9000", 9001, "http://127.0.0.1:9002", "127.0.0.1:9000"]

[[api]]
name = "orders"
hosts = ["api.example.com", "api.example.com:80"]

[[api.route]]
key = "GET /items/{id}/{id}"
upstream = "bakend"

[[api.route]]
key = "GET /items/{id}"
upstream = "backend"
path = "/v2/{item}"
timeout_ms = 49

[[api.route]]
key = "GET /none"
"#;
    assert_mistakes(
        &mistakes(text),
        &[
            (1, 2, "the file has no key `proces`; did you mean `process`?"),
            (4, 1, "[[listener]] has no `address`"),
            (6, 1, "[[listener]] has no key `adress`; did you mean `address`?"),
            (7, 11, "`backlog` is 0; expected an integer from 1 to 65_535"),
            (10, 8, "listener `public` is there twice"),
            (11, 11, "`address` is \"127.0.0.1\"; expected an IP address and a port"),
            (12, 18, "`proxy_protocol` is \"on\"; expected \"off\" or \"required\""),
            (15, 18, "`head_bytes_max` is a text; expected an integer"),
            (16, 18, "`body_bytes_max` is a number with a fraction; expected an integer"),
            (20, 30, "an item of `targets` is an integer; expected a host and a port"),
            (20, 36, "a target is written without `http://`"),
            (20, 61, "target `127.0.0.1:9000` is there twice"),
            (24, 45, "a host is written without port"),
            (27, 24, "the parameter `id` is named twice"),
            (28, 12, "there is no upstream `bakend`; did you mean `backend`?"),
            (33, 13, "the route key has no parameter `item`; in braces may stand `id`"),
            (34, 14, "`timeout_ms` is 49; expected an integer from 50"),
            (36, 1, "[[api.route]] has none of `upstream`, `mock`, `redirect`"),
        ],
    );
}

#[test]
fn syntax_and_meaning_are_reported_together_without_echoes() {
    let text = r#"[[listener]]
name = "public"
address =
backlog = 1 2

[[upstream]]
name = "backend"
targets = ["127.0.0.1:9000"]
balance = "rand"

[[api]]
name = "orders"
name = "again"

[[api.route]]
key = "GET /"
upstream = "backend"
x
"#;
    assert_mistakes(
        &mistakes(text),
        &[
            (3, 10, "a value is missing after `=`"),
            (4, 11, "must be quoted"),
            (9, 11, "`balance` is \"rand\"; expected \"round_robin\""),
            (13, 1, "duplicate key"),
            (18, 2, "expected `=`"),
        ],
    );
    // What follows a list that is never closed is not reported line by line.
    let unclosed = super::SMALL.replace("9000\"]", "9000\"");
    let found = mistakes(&unclosed);
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn a_name_that_a_syntax_error_took_away_is_not_reported_as_unknown() {
    let text = super::SMALL.replace("name = \"backend\"", "name = ");
    assert_mistakes(&mistakes(&text), &[(7, 8, "a value is missing")]);
    let text = super::SMALL.replace("[[upstream]]", "[[upstream]");
    assert!(mistakes(&text).iter().all(|(_, _, message)| !message.contains("there is no")));
}

#[test]
fn a_file_without_listener_or_api_is_told_what_it_lacks() {
    let found = mistakes("");
    assert_mistakes(
        &found,
        &[(0, 0, "the file has no [[listener]]"), (0, 0, "the file has no [[api]]")],
    );
    let found =
        mistakes("[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\n[[api]]\nname = \"b\"\n");
    assert_mistakes(&found, &[(4, 1, "[[api]] has no [[api.route]]")]);
    let text = super::SMALL.replace("targets = [\"127.0.0.1:9000\"]", "targets = []");
    assert_mistakes(&mistakes(&text), &[(8, 11, "`targets` is an empty list")]);
}

/// One mistake after the small file: what stands there, its line after the file's end, its
/// column, and a part of the message.
const SINGLE: &[(&str, usize, usize, &str)] = &[
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\ndual_stack = true",
        4,
        14,
        "`dual_stack`",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"unix:/a\"\nreuse_port = true",
        4,
        14,
        "unix socket",
    ),
    ("[[listener]]\nname = \"two\"\naddress = \"unix:a\"", 3, 17, "absolute"),
    ("[[listener]]\nname = \"t o\"\naddress = \"127.0.0.1:1\"", 2, 10, "may not stand"),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\nproxy_protocol = \"required\"",
        4,
        18,
        "`trusted_proxies` names no peer",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\ntrusted_proxies = [\"10.0.0.0/33\"]",
        4,
        20,
        "an IP address or a network",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\nprivate = true\nprivate_networks = [\"10.0.0.0/8\"]",
        5,
        21,
        "`private` lets every client",
    ),
    (
        "[[listener]]\nname = \"x\"\naddress = \"127.0.0.1:1\"\n[[listener]]\nname = \"y\"\naddress = \"127.0.0.1:1\"",
        6,
        11,
        "same address",
    ),
    (
        "[[listener]]\nname = \"x\"\naddress = \"0.0.0.0:1\"\n[[listener]]\nname = \"y\"\naddress = \"[::]:1\"\ndual_stack = true",
        6,
        11,
        "same address",
    ),
    ("[[domain]]\nnames = [\"a.b\"]", 1, 1, "neither `certificates` nor `certificate_folder`"),
    (
        "[[domain]]\nnames = [\"a.b\"]\ncertificate_folder = \"/c\"",
        2,
        10,
        "no listener has `tls`, so no client reaches the domain; add `tls = true`",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\ntls = true",
        4,
        7,
        "the file has no [[domain]]",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\ntls = \"yes\"",
        4,
        7,
        "`tls` is a text; expected `true` or `false` or the table [listener.tls]",
    ),
    (
        "[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:1\"\ntls = false\nredirect_to_https = 443",
        5,
        1,
        "more than one of `tls`, `redirect_to_https`",
    ),
    ("[tls]\nticket_rotation_ms = 59_999", 2, 22, "from 60_000 to 604_800_000"),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\ntls = { ca_fil = \"/a\" }",
        4,
        9,
        "`ca_file`?",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\ntls = { ca_file = \"/a\", roots = \"system\" }",
        4,
        25,
        "more than one of `ca_file`, `roots`",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\ntls = { server_name = \"a:1\" }",
        4,
        23,
        "without port",
    ),
    ("[admin]\naddress = \"0.0.0.0:1\"", 2, 11, "can be reached by other machines"),
    ("[limits]\nrequest_line_bytes_max = 10_241", 2, 26, "`head_bytes_max` is 10240"),
    ("[limits]\nhead_bytes_max = 8_191", 2, 18, "`head_bytes_max` is 8191"),
    ("[limits]\nhead_bytes_max = 61_441", 2, 18, "from 256 to 61_440"),
    ("[process]\nshards = [0, 1, 1]", 2, 17, "core `1` is there twice"),
    ("[process]\nshards = [0]\n[[process.core]]\ncore = 1", 4, 8, "runs no shard"),
    ("[[process.core]]\ncore = 1\n[[process.core]]\ncore = 1", 4, 8, "core `1` is there twice"),
    (
        "[[process.core]]\ncore = 1\nlisteners = [\"publik\"]",
        3,
        14,
        "there is no listener `publik`; did you mean `public`?",
    ),
    (
        "[[upstream]]\nname = \"backend\"\ntargets = [\"a:1\"]",
        2,
        8,
        "upstream `backend` is there twice",
    ),
    ("[[upstream]]\nname = \"x\"\ntargets = [\"a\"]", 3, 12, "port is missing"),
    ("[[upstream]]\nname = \"x\"\ntargets = [\"a:0\"]", 3, 15, "from 1 to 65535"),
    ("[[upstream]]\nname = \"x\"\ntargets = [\"1.2.3:4\"]", 3, 12, "neither an IP address"),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\nhash_key = \"header:a b\"",
        4,
        21,
        "may not stand",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\nhealth = { interval_ms = 1_000, timeout_ms = 1_001 }",
        4,
        46,
        "`timeout_ms` is 1001, above `interval_ms`, which is 1000",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\nhealth = { status_min = 500 }",
        4,
        25,
        "`status_min` is 500, above `status_max`, which is 399",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\nhealth = { grpc_service = \"a.B\" }",
        4,
        27,
        "`grpc_service` needs targets that speak HTTP/2",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\nprotocol = \"h2\"\nhealth = { grpc_service = \"a/B\" }",
        5,
        29,
        "may not stand",
    ),
    (
        "[[upstream]]\nname = \"x\"\ntargets = [\"a:1\"]\noutlier = { ejection_ms_max = 29_999 }",
        4,
        31,
        "above `ejection_ms_max`, which is 29999",
    ),
    (
        "[[api]]\nname = \"orders\"\nbase_path = \"/x\"\nroute = [{ key = \"GET /\", mock = {} }]",
        2,
        8,
        "API `orders` is there twice",
    ),
    (
        "[[api]]\nname = \"x\"\nid = \"orders\"\nbase_path = \"/x\"\nroute = [{ key = \"GET /\", mock = {} }]",
        3,
        6,
        "API id `orders` is there twice",
    ),
    (
        "[[api]]\nname = \"x\"\nroute = [{ key = \"GET /\", mock = {} }]",
        1,
        1,
        "API at `* with stage $default` is there twice",
    ),
    (
        "[[api]]\nname = \"é\"\nbase_path = \"/x\"\nroute = [{ key = \"GET /\", mock = {} }]",
        2,
        8,
        "no id can be made",
    ),
    ("[[api.route]]\nkey = \"GET /a\"\nmock = {}\nhost = \"a\"", 4, 8, "belongs to `upstream`"),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = {}\nredirect = { location = \"/\" }",
        4,
        1,
        "more than one of",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = { body = \"a\", body_base64 = \"YQ==\" }",
        3,
        22,
        "more than one of `body`, `body_base64`",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = { status = 204, body = \"a\" }",
        3,
        31,
        "204 has no body",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = { headers = { Content-Length = \"1\" } }",
        3,
        22,
        "the gateway itself writes",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = { headers = { \"a b\" = \"1\" } }",
        3,
        24,
        "may not stand",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nmock = { headers = { a = \"1\\r\\nb: 2\" } }",
        3,
        26,
        "control characters",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nredirect = { location = \"/{a}\" }",
        3,
        27,
        "no parameter `a`",
    ),
    (
        "[[api.route]]\nkey = \"GET /a\"\nredirect = { status = 300, location = \"/\" }",
        3,
        23,
        "301, 302, 303, 307 or 308",
    ),
    ("[[api.route]]\nkey = \"GET /a\"\nredirect = {}", 3, 12, "redirect has no `location`"),
    ("[[api.route]]\nkey = \"get /a\"\nmock = {}", 2, 7, "`get` is no method"),
    (
        "[account]\nthrottle = { rate_per_second = nan, burst_count = 1 }",
        2,
        32,
        "expected a number from 0",
    ),
    ("[account]\nthrottle = { rate_per_second = 1 }", 2, 12, "throttle has no `burst_count`"),
    ("[access_log]\nformat = \"$context.requestId $context.statsu\"", 2, 30, "statsu"),
    ("[forwarding]\nvia = \"a b\"", 2, 9, "may not stand"),
    ("[timeouts]\nhead_timeout = 1", 2, 1, "did you mean `head_timeout_ms`?"),
];

#[test]
fn each_mistake_is_found_where_it_is() {
    let lines = super::SMALL.lines().count();
    for &(more, line, column, message) in SINGLE {
        let found = mistakes(&super::small_file(more));
        assert_mistakes(&found, &[(lines + line, column, message)]);
    }
}

#[test]
fn columns_count_characters_and_lines_end_with_either_ending() {
    let text = super::small_file("[[api.route]]\nkey = \"GET /é/{}\"\nmock = {}");
    let line = super::SMALL.lines().count() + 2;
    let found = mistakes(&text);
    assert_mistakes(&found, &[(line, 16, "1 to 128")]);
    assert_mistakes(&mistakes(&text.replace('\n', "\r\n")), &[(line, 16, "1 to 128")]);
    let escaped = text.replace("GET /é/{}", "GET /\\u00e9/{}");
    // Through an escape the place within the text is not known: the whole text is shown.
    assert_mistakes(&mistakes(&escaped), &[(line, 7, "1 to 128")]);
}

#[test]
fn the_drawing_has_file_line_column_caret_and_what_was_expected() {
    let text = super::small_file("[limits]\nhead_bytes_max = 1");
    let drawing = super::parse(&text).expect_err("out of range").to_string();
    for part in [
        "`head_bytes_max` is 1; expected an integer from 256 to 61_440",
        "[gateway.toml:17:18]",
        "17 | head_bytes_max = 1",
        "^",
        "gateway.toml: 1 mistake",
    ] {
        assert!(drawing.contains(part), "{part} is not in\n{drawing}");
    }
    assert!(!drawing.contains('\u{1b}'), "it has no colour:\n{drawing}");
}

#[test]
fn a_drawing_shows_both_places() {
    let text = super::small_file("[[upstream]]\nname = \"backend\"\ntargets = [\"a:1\"]");
    let drawing = super::parse(&text).expect_err("a repeated name").to_string();
    assert!(drawing.contains("the first") && drawing.contains("the second"), "{drawing}");
}

#[test]
fn a_hundred_mistakes_are_drawn_and_all_are_counted() {
    for (count, note) in [
        (99, "99 mistakes\n"),
        (100, "100 mistakes\n"),
        (101, "101 mistakes, of which the first 100"),
    ] {
        let more: String = (0..count).map(|index| format!("key_{index} = 1\n")).collect();
        let text = format!("{more}{}", super::SMALL);
        let found = super::parse(&text).expect_err("unknown keys");
        assert_eq!(found.len(), count);
        assert!(found.to_string().contains(note), "{count}");
    }
}

#[test]
fn what_the_plan_compiler_finds_is_drawn_at_both_routes() {
    let text = super::small_file(
        "[[api.route]]\nkey = \"GET /a/{x}\"\nmock = {}\n[[api.route]]\nkey = \"GET /a/{y}\"\nmock = {}",
    );
    let settings = super::parse(&text).expect("each route for itself is right");
    let errors = plan::compile(&settings.model, 1).expect_err("the routes conflict");
    let found = settings.diagnose_plan(&errors).expect("a conflict");
    assert_mistakes(&places(&found), &[(20, 7, "match the same requests")]);
    assert!(found.to_string().contains("17 | key = \"GET /a/{x}\""), "{found}");
    assert!(settings.diagnose_plan(&[]).is_none());
}

#[test]
fn a_later_step_can_point_at_every_place() {
    let text = super::small_file("[process]\nshards = [0]");
    let settings = super::parse(&text).expect("well formed");
    let mistakes = [
        (Place::File, "file"),
        (Place::Listener(0), "listener"),
        (Place::Group(0), "group"),
        (Place::Api(0), "api"),
        (Place::Route { api: 0, route: 0 }, "route"),
        (Place::Shards, "shards"),
    ];
    let found = settings.diagnose(mistakes.map(|(place, message)| (place, message.to_owned())));
    assert_mistakes(
        &places(&found.expect("mistakes")),
        &[
            (0, 0, "file"),
            (4, 11, "listener"),
            (7, 8, "group"),
            (11, 8, "api"),
            (14, 7, "route"),
            (17, 10, "shards"),
        ],
    );
    assert!(settings.diagnose([]).is_none());
}

const SECURE: &str = "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:1\"\n";

#[test]
fn mistakes_of_domains_are_all_reported() {
    let text = r#"tls = { default_domain = "c.d", unknown_name = "refuse" }

[[listener]]
name = "third"
address = "127.0.0.1:2"
tls = { default_domain = "a.example.con" }

[[domain]]
names = ["a.example.com", "10.0.0.1", "*.*.b"]
certificates = [{ certificate_file = "a.pem", key_file = "" }, { key_file = "a.key" }]
security_policy = "TLS_1_0"
protocols = ["h3"]

[[domain]]
names = ["A.example.com"]
certificate_folder = "/certificates"
security_policy = "SecurityPolicy_TLS13_1_3_2025_9"
mutual_tls = { crl_files = ["/crl"], on_invalid = "400", subject_header = "Host" }

[[domain]]
certificates = [{ certificate_file = "a.pem", key_file = "a.key" }]
certificate_folder = "/certificates"
"#;
    let text = super::small_file(&format!("{SECURE}{text}"));
    let first = super::SMALL.lines().count() + 4;
    let found: Vec<_> = mistakes(&text)
        .into_iter()
        .map(|(line, column, message)| (line + 1 - first, column, message))
        .collect();
    assert_mistakes(
        &found,
        &[
            (1, 26, "`default_domain` has no meaning where unknown names are refused"),
            (9, 27, "clients ask for names, never for addresses"),
            (9, 39, "an item of `names` is \"*.*.b\"; expected a host name"),
            (10, 58, "`key_file` is \"\"; expected the path of a file"),
            (10, 64, "has no `certificate_file`"),
            (11, 19, "TLS_1_0 would let clients use TLS 1.0 and 1.1"),
            (12, 14, "an item of `protocols` is \"h3\"; expected \"h2\" or \"http/1.1\""),
            (15, 10, "domain `a.example.com` is there twice"),
            (17, 19, "did you mean \"SecurityPolicy_TLS13_1_3_2025_09\"?"),
            (18, 14, "[domain.mutual_tls] has no `trust_store_file`"),
            (18, 51, "`on_invalid` is \"400\"; expected \"refuse\" or \"403\""),
            (18, 75, "the header `host` has a meaning of its own"),
            (20, 1, "[[domain]] has no `names`"),
            (22, 1, "more than one of `certificates`, `certificate_folder`"),
        ],
    );
}

#[test]
fn mistakes_of_acme_are_all_reported() {
    let names: Vec<_> = (0..101).map(|number| format!("\"{number}.many.example\"")).collect();
    let long = ["x"; 101].join(".");
    let text = r#"tls = true

[acme]
directory_url = "http://ca.example.com"
terms_agreed = false
contacts = ["ops@example.com", "ops"]
challenge = "tls-sni-01"

[[domain]]
names = ["a.example.com"]
acme = true
certificate_folder = "/certificates"

[[domain]]
names = ["b.example.com"]
acme = false
"#;
    let below = |text: &str| {
        let first = super::SMALL.lines().count() + 4;
        let found = mistakes(&super::small_file(&format!("{SECURE}{text}")));
        let found = found.into_iter().map(|(line, column, text)| (line + 1 - first, column, text));
        found.collect::<Vec<_>>()
    };
    assert_mistakes(
        &below(text),
        &[
            (3, 1, "[acme] has no `storage_folder`"),
            (4, 17, "ACME is spoken over HTTPS alone"),
            (5, 16, "to those who do not agree to the terms"),
            (6, 32, "an item of `contacts` is \"ops\"; expected a mail address"),
            (7, 13, "expected \"http-01\", \"tls-alpn-01\" or \"dns-01\""),
            (12, 1, "more than one of `certificates`, `certificate_folder`, `acme`"),
            (14, 1, "neither `certificates` nor `certificate_folder` nor `acme = true`"),
        ],
    );
    let acme = "tls = true\n[acme]\nstorage_folder = \"/a\"\nterms_agreed = true\n";
    let domain = |names: &str| format!("[[domain]]\nnames = [{names}]\nacme = true\n");
    let bad = [
        domain("\"a.example.com\", \"*.example.com\""),
        domain(&names.join(", ")),
        domain(&format!("\"{long}\"")),
    ];
    assert_mistakes(
        &below(&format!("{acme}{}", bad.concat())),
        &[
            (6, 27, "`*.example.com` can only be proved by dns-01"),
            (10, 8, "at most 100 names, the domain has 101"),
            (12, 10, "the first name of a domain with `acme` has at most 200 bytes"),
        ],
    );
    let good = [domain(&names[1..].join(", ")), domain(&format!("\"{}\"", &long[2..]))];
    let good = super::small_file(&format!("{SECURE}{acme}{}", good.concat()));
    if let Err(mistakes) = super::parse(&good) {
        panic!("100 names and 199 bytes are no mistake: {mistakes}");
    }
    let hook = format!("{acme}challenge = \"dns-01\"\n{}", bad[0]);
    assert_mistakes(&below(&hook), &[(5, 13, "the challenge \"dns-01\" needs a `dns_hook`")]);
    let none = format!("tls = true\n{}", bad[0]);
    assert_mistakes(&below(&none), &[(4, 8, "the domain has `acme`, but the file has no [acme]")]);
}

#[test]
fn an_unknown_default_domain_is_told_which_there_are() {
    let text = super::small_file(&format!(
        "{SECURE}tls = {{ default_domain = \"a.example.con\" }}\n[[domain]]\n\
         names = [\"a.example.com\"]\ncertificate_folder = \"/c\""
    ));
    let found = mistakes(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    let expected = "there is no domain `a.example.con`; did you mean `a.example.com`?";
    assert!(found[0].2.contains(expected), "{found:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("none.toml");
    let found = settings::load(&path).expect_err("there is no such file");
    assert_mistakes(&places(&found), &[(0, 0, "cannot be read")]);
    assert!(found.to_string().contains("none.toml"), "{found}");
    let found = settings::load(dir.path()).expect_err("a directory is no file");
    assert_mistakes(&places(&found), &[(0, 0, "cannot be read")]);
}

#[test]
fn bytes_that_are_not_utf_8_are_pointed_at() {
    let found = settings::parse_bytes("gateway.toml", b"a = 1\nb = \"\xff\"\n");
    assert_mistakes(&places(&found.expect_err("not UTF-8")), &[(2, 6, "not UTF-8")]);
}
