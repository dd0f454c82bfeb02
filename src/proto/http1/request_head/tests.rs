//! What a request head may be, must not be, and is taken to mean.

use proptest::prelude::*;

use super::super::head_scanner::HeadScanner;
use super::*;

const LIMITS: HeadLimits =
    HeadLimits { request_line_bytes_max: 8_192, head_bytes_max: 10_240, headers_count_max: 128 };

fn parse(head: &str) -> Result<RequestHead, Fault> {
    parse_bytes(head.as_bytes())
}

fn parse_bytes(head: &[u8]) -> Result<RequestHead, Fault> {
    let mut parsed = RequestHead::new();
    parsed.parse(head, &LIMITS).map(|()| parsed)
}

/// A head with this request line, a Host and these field lines.
fn parse_with(line: &str, fields: &str) -> Result<RequestHead, Fault> {
    parse(&format!("{line}\r\nHost: a\r\n{fields}\r\n"))
}

fn get_with(fields: &str) -> Result<RequestHead, Fault> {
    parse_with("GET / HTTP/1.1", fields)
}

/// Path, query and authority of a request for `target`, whose Host is `h`.
fn cut(method: &str, target: &str) -> Result<(String, String, String, bool), Fault> {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    let parsed = parse(&head)?;
    let text = |span: Span| String::from_utf8_lossy(span.of(head.as_bytes())).into_owned();
    Ok((text(parsed.path), text(parsed.query), text(parsed.authority), parsed.asterisk))
}

#[test]
fn a_head_is_cut_into_its_parts() {
    let text = "POST /items/7?x=1&y HTTP/1.1\r\nHost: api.example.com:8080\r\nContent-Length: 3\r\n\
                X-Empty:\r\nX-Spaced: \t a b \t\r\n\r\n";
    let head = parse(text).expect("well formed");
    let text = text.as_bytes();
    assert_eq!(head.method, Method::Post);
    assert_eq!(head.method_token.of(text), b"POST");
    assert_eq!(head.target.of(text), b"/items/7?x=1&y");
    assert_eq!(head.path.of(text), b"/items/7");
    assert_eq!(head.query.of(text), b"?x=1&y");
    assert_eq!(head.authority.of(text), b"api.example.com:8080");
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.framing, BodyFraming::Length(3));
    assert_eq!(head.head_bytes, text.len());
    assert!(head.keep_alive && !head.asterisk && !head.upgrade && !head.expect_continue);
    assert_eq!(head.fields.len(), 4);
    let length = head.field(FieldName::ContentLength).expect("it is there");
    assert_eq!((length.name.of(text), length.value.of(text)), (&b"Content-Length"[..], &b"3"[..]));
    let value = |name: &[u8]| head.field_by_name(text, name).map(|field| field.value.of(text));
    assert_eq!(value(b"x-empty"), Some(&b""[..]));
    assert_eq!(value(b"x-spaced"), Some(&b"a b"[..]));
    assert_eq!(value(b"x-absent"), None);
}

#[test]
fn a_parsed_head_leaves_nothing_behind_for_the_next() {
    let mut head = RequestHead::new();
    let first = b"POST http://x/y?z HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    head.parse(first, &LIMITS).expect("well formed");
    head.parse(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", &LIMITS).expect("well formed");
    let fresh = parse("GET / HTTP/1.1\r\nHost: b\r\n\r\n").expect("well formed");
    assert_eq!(format!("{head:?}"), format!("{fresh:?}"));
}

#[test]
fn one_empty_line_may_come_first() {
    let head = parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("well formed");
    assert_eq!(head.method_token.range(), 2..5);
    for bad in ["\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        assert_eq!(parse(bad).err(), Some(Fault::BadRequestLine), "{bad:?}");
    }
}

#[test]
fn bad_request_lines_are_refused() {
    for line in [
        "",
        "GET",
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / http/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.1.1",
        "GET / HTTP 1.1",
        "GET / HTTP/x.1",
        "G(T / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET / HTTP/1.1\0",
        "GET /a b HTTP/1.1",
        "GET /\tHTTP/1.1",
        "G\u{c9}T / HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\rX",
        "GET / HTTP/1.1\nX: y",
    ] {
        let fault = parse_with(line, "").err();
        assert_eq!(fault.map(Fault::status), Some(400), "{line:?}: {fault:?}");
        assert!(
            matches!(fault, Some(Fault::BadRequestLine | Fault::BadTarget | Fault::BadHeader)),
            "{line:?}: {fault:?}"
        );
    }
}

#[test]
fn other_versions_are_505() {
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9", "HTTP/1.9"] {
        let fault = parse_with(&format!("GET / {version}"), "").err();
        assert_eq!(fault, Some(Fault::VersionNotSupported), "{version}");
    }
    assert_eq!(parse("PRI * HTTP/2.0\r\n\r\n").err(), Some(Fault::VersionNotSupported));
}

#[test]
fn methods_are_tokens_and_connect_is_501() {
    assert_eq!(parse_with("TRACE / HTTP/1.1", "").map(|head| head.method), Ok(Method::Trace));
    assert_eq!(parse_with("get / HTTP/1.1", "").map(|head| head.method), Ok(Method::Other));
    assert_eq!(parse_with("PURGE-!#$ / HTTP/1.1", "").map(|head| head.method), Ok(Method::Other));
    assert_eq!(parse_with("CONNECT a:443 HTTP/1.1", "").err(), Some(Fault::NotImplemented));
    for (bytes, wanted) in [
        (METHOD_BYTES_MAX - 1, None),
        (METHOD_BYTES_MAX, None),
        (METHOD_BYTES_MAX + 1, Some(Fault::NotImplemented)),
    ] {
        let line = format!("{} / HTTP/1.1", "M".repeat(bytes));
        assert_eq!(parse_with(&line, "").err(), wanted, "{bytes}");
    }
}

#[test]
fn targets_have_three_forms() {
    let parts = |path: &str, query: &str, authority: &str, asterisk| {
        Ok((path.to_owned(), query.to_owned(), authority.to_owned(), asterisk))
    };
    assert_eq!(cut("GET", "/"), parts("/", "", "h", false));
    assert_eq!(cut("GET", "/a?"), parts("/a", "?", "h", false));
    assert_eq!(cut("GET", "/a?b?c/d"), parts("/a", "?b?c/d", "h", false));
    assert_eq!(cut("GET", "//a/b"), parts("//a/b", "", "h", false));
    assert_eq!(cut("GET", "/a?ids[]=1"), parts("/a", "?ids[]=1", "h", false));
    assert_eq!(cut("OPTIONS", "*"), parts("*", "", "h", true));
    assert_eq!(cut("GET", "http://x/y?z"), parts("/y", "?z", "x", false));
    assert_eq!(cut("GET", "HTTPS://x:1/"), parts("/", "", "x:1", false));
    assert_eq!(cut("GET", "http://x"), parts("/", "", "x", false));
    assert_eq!(cut("GET", "http://x?z"), parts("/", "?z", "x", false));
    assert_eq!(cut("GET", "http://[::1]:80/a"), parts("/a", "", "[::1]:80", false));
    assert_eq!(cut("OPTIONS", "http://x"), parts("/", "", "x", true));
    assert_eq!(cut("OPTIONS", "http://x?z"), parts("/", "?z", "x", false));
    assert_eq!(cut("OPTIONS", "http://x/"), parts("/", "", "x", false));
}

#[test]
fn bad_targets_are_refused() {
    for target in [
        "*",
        "a",
        "?a",
        "/a#b",
        "/#",
        "/\u{e4}",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a\\b",
        "/a^b",
        "/a`b",
        "/a{b",
        "/a|b",
        "/a}b",
        "/a\0",
        "/a\x01",
        "/a\x7f",
        "http:",
        "http:/",
        "http:/x",
        "http://",
        "http:///a",
        "http://?a",
        "http://u@x/",
        "http://u:p@x/",
        "http://x:y/",
        "http://x:65536/",
        "http://x,y/",
        "http://[::1/",
        "ftp://x/",
        "x:80",
        "HTTP//x",
        "http://x:80:80/",
        "http://%41/",
    ] {
        assert_eq!(cut("GET", target).err(), Some(Fault::BadTarget), "{target:?}");
    }
    assert_eq!(cut("OPTIONS", "*/").err(), Some(Fault::BadTarget));
    assert_eq!(cut("OPTIONS", "**").err(), Some(Fault::BadTarget));
}

#[test]
fn the_authority_of_the_target_wins_over_host() {
    let text = "GET http://x:1/ HTTP/1.1\r\nHost: y\r\n\r\n";
    assert_eq!(
        parse(text).map(|head| head.authority.of(text.as_bytes()).to_vec()),
        Ok(b"x:1".to_vec())
    );
    assert_eq!(parse("GET http://x/ HTTP/1.1\r\n\r\n").err(), Some(Fault::BadHost));
    assert_eq!(parse("GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n").err(), Some(Fault::BadHost));
}

#[test]
fn there_is_one_valid_host() {
    let host = |fields: &str| parse(&format!("GET / HTTP/1.1\r\n{fields}\r\n")).err();
    for fine in ["Host: a\r\n", "host:a:80\r\n", "HOST: \t[::1]:8080 \r\n", "Host: 127.0.0.1\r\n"] {
        assert_eq!(host(fine), None, "{fine:?}");
    }
    for bad in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nX: y\r\nhost: b\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: http://a\r\n",
        "Host: a:b\r\n",
        "Host: ..\r\n",
        "Host: \u{e4}\r\n",
    ] {
        assert_eq!(host(bad), Some(Fault::BadHost), "{bad:?}");
    }
    assert_eq!(parse("GET / HTTP/1.0\r\n\r\n").map(|head| head.authority), Ok(Span::EMPTY));
    assert_eq!(parse("GET / HTTP/1.0\r\nHost: a b\r\n\r\n").err(), Some(Fault::BadHost));
    assert_eq!(parse("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").err(), Some(Fault::BadHost));
}

#[test]
fn bad_field_lines_are_refused() {
    for bad in [
        "X : y\r\n",
        "X\t: y\r\n",
        " X: y\r\n",
        "\tX: y\r\n",
        "X\r\n",
        ": y\r\n",
        "X: y\r\n z\r\n",
        "X: y\r\n\tz\r\n",
        "X: a\0b\r\n",
        "X: a\rb\r\n",
        "X: a\r\r\n",
        "X: y\n",
        "X: a\nY: b\r\n",
        "X: a\x0bb\r\n",
        "X: \x7f\r\n",
        "X: \x1b[0m\r\n",
        "X(: y\r\n",
        "X\0: y\r\n",
        "X\u{e4}: y\r\n",
        "\"X\": y\r\n",
        "X:\n",
        "X: \n",
        "\r",
        "\n",
    ] {
        assert_eq!(get_with(bad).err(), Some(Fault::BadHeader), "{bad:?}");
    }
    assert!(get_with("X_Y: z\r\n!#$%&'*+-.^_`|~09: z\r\nX: \u{e4} \"\t\"\r\n").is_ok());
}

/// httparse looks at many bytes at once: no control character may slip through at any offset.
#[test]
fn control_characters_are_refused_wherever_they_stand() {
    for control in (0..0x20_u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
        for offset in 0..70 {
            let place = |template: &[u8]| {
                let at = template.iter().position(|byte| *byte == b'@').expect("a place");
                let filler = b"a".repeat(offset);
                [&template[..at], &filler, &[control], &filler[..], &template[at + 1..]].concat()
            };
            for template in [
                &b"GET / HTTP/1.1\r\nHost: a\r\nX: @b\r\n\r\n"[..],
                b"GET / HTTP/1.1\r\nHost: a\r\nX@b: c\r\n\r\n",
                b"GET /@b HTTP/1.1\r\nHost: a\r\n\r\n",
            ] {
                let fault = parse_bytes(&place(template)).err();
                assert_eq!(fault.map(Fault::status), Some(400), "{control:#x} at {offset}");
            }
        }
    }
}

#[test]
fn limits_hold_at_their_bounds() {
    let lines = "X: y\r\n".repeat(200);
    let with_fields = |count: usize| get_with(&lines[..(count - 1) * 6]).err();
    assert_eq!(with_fields(127), None);
    assert_eq!(with_fields(128), None);
    assert_eq!(with_fields(129), Some(Fault::HeadTooLarge));

    let line = |bytes: usize| format!("GET /{} HTTP/1.1", "a".repeat(bytes - 14));
    assert_eq!(parse_with(&line(8_191), "").err(), None);
    assert_eq!(parse_with(&line(8_192), "").err(), None);
    assert_eq!(parse_with(&line(8_193), "").err(), Some(Fault::UriTooLong));

    let head = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(bytes - 32))
    };
    assert_eq!(head(100).len(), 100);
    assert_eq!(parse(&head(10_239)).err(), None);
    assert_eq!(parse(&head(10_240)).err(), None);
    assert_eq!(parse(&head(10_241)).err(), Some(Fault::HeadTooLarge));
}

/// Whatever the settings say, spans and tables hold what the parser takes.
#[test]
fn limits_beyond_what_is_possible_are_cut() {
    let huge = HeadLimits {
        request_line_bytes_max: u32::MAX,
        head_bytes_max: u32::MAX,
        headers_count_max: u32::MAX,
    };
    let mut parsed = RequestHead::new();
    let head = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(bytes - 32))
    };
    assert_eq!(parsed.parse(head(HEAD_BYTES_CEILING).as_bytes(), &huge), Ok(()));
    assert_eq!(
        parsed.parse(head(HEAD_BYTES_CEILING + 1).as_bytes(), &huge),
        Err(Fault::HeadTooLarge)
    );
    let fields =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(parsed.parse(fields(HEADERS_COUNT_MAX).as_bytes(), &huge), Ok(()));
    assert_eq!(
        parsed.parse(fields(HEADERS_COUNT_MAX + 1).as_bytes(), &huge),
        Err(Fault::HeadTooLarge)
    );
}

#[test]
fn only_a_whole_head_is_parsed() {
    for bad in [
        "",
        "\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\nX: y\r\n\r\n",
    ] {
        assert_eq!(parse(bad).err().map(Fault::status), Some(400), "{bad:?}");
    }
}

#[test]
fn bodies_are_framed_by_length_or_chunks() {
    let framing = |fields: &str| get_with(fields).map(|head| head.framing);
    assert_eq!(framing(""), Ok(BodyFraming::None));
    assert_eq!(framing("Content-Length: 0\r\n"), Ok(BodyFraming::Length(0)));
    assert_eq!(framing("content-length:\t10 \r\n"), Ok(BodyFraming::Length(10)));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(BodyFraming::Chunked));
    assert_eq!(framing("Transfer-Encoding: gzip, chunked\r\n"), Err(Fault::NotImplemented));
    for bad in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ] {
        assert_eq!(framing(bad), Err(Fault::BadFraming), "{bad:?}");
    }
    let old = parse_with("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n").err();
    assert_eq!(old, Some(Fault::BadFraming));
}

#[test]
fn connections_persist_as_their_version_says() {
    let keep = |version: &str, fields: &str| {
        parse_with(&format!("GET / {version}"), fields).map(|head| head.keep_alive)
    };
    assert_eq!(keep("HTTP/1.1", ""), Ok(true));
    assert_eq!(keep("HTTP/1.1", "Connection: close\r\n"), Ok(false));
    assert_eq!(keep("HTTP/1.1", "Connection: x, CLOSE ,\r\n"), Ok(false));
    assert_eq!(keep("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"), Ok(false));
    assert_eq!(keep("HTTP/1.1", "Connection: closed\r\n"), Ok(true));
    assert_eq!(keep("HTTP/1.0", ""), Ok(false));
    assert_eq!(keep("HTTP/1.0", "Connection: Keep-Alive\r\n"), Ok(true));
    assert_eq!(keep("HTTP/1.0", "Connection: keep-alive, close\r\n"), Ok(false));
    assert_eq!(keep("HTTP/1.0", "Proxy-Connection: keep-alive\r\n"), Ok(false));
}

#[test]
fn fields_of_the_connection_are_marked() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-One, x-two,close\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n\
                TE: trailers\r\nKeep-Alive: 1\r\nConnection: x-three\r\nProxy-Authorization: x\r\nx-one: 4\r\n\r\n";
    let head = parse(text).expect("well formed");
    let kept: Vec<_> = head
        .fields
        .iter()
        .filter(|field| !field.hop_by_hop)
        .map(|field| field.name.of(text.as_bytes()))
        .collect();
    assert_eq!(kept, [b"Host"]);
}

#[test]
fn connection_lists_a_bounded_number_of_names() {
    let listed = |count: usize| get_with(&format!("Connection: {}\r\n", "x,".repeat(count))).err();
    assert_eq!(listed(31), None);
    assert_eq!(listed(32), None);
    assert_eq!(listed(33), Some(Fault::BadHeader));
}

#[test]
fn an_upgrade_is_offered_whole_or_not_at_all() {
    let upgrade = |line: &str, fields: &str| parse_with(line, fields).map(|head| head.upgrade);
    let get = "GET / HTTP/1.1";
    assert_eq!(upgrade(get, "Connection: Upgrade\r\nUpgrade: websocket\r\n"), Ok(true));
    assert_eq!(upgrade(get, "Upgrade: x/1, y\r\nConnection: keep-alive, upgrade\r\n"), Ok(true));
    assert_eq!(upgrade(get, "Upgrade: websocket\r\n"), Ok(false));
    assert_eq!(upgrade(get, "Connection: upgrade\r\n"), Ok(false));
    assert_eq!(upgrade(get, "Connection: upgrade\r\nUpgrade:\r\n"), Ok(false));
    for protocol in ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "HTTP/2.0", "TLS/1.0"] {
        let fields = format!("Connection: upgrade\r\nUpgrade: {protocol}\r\n");
        assert_eq!(upgrade(get, &fields), Ok(false), "{protocol}");
    }
    let offer = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(upgrade("GET / HTTP/1.0", offer), Ok(false));
    assert_eq!(upgrade(get, &format!("{offer}Content-Length: 0\r\n")), Ok(true));
    assert_eq!(upgrade(get, &format!("{offer}Content-Length: 1\r\n")), Ok(false));
    assert_eq!(upgrade(get, &format!("{offer}Transfer-Encoding: chunked\r\n")), Ok(false));
}

#[test]
fn the_only_expectation_is_100_continue() {
    let expect =
        |line: &str, fields: &str| parse_with(line, fields).map(|head| head.expect_continue);
    let post = "POST / HTTP/1.1";
    assert_eq!(expect(post, "Content-Length: 1\r\nExpect: 100-Continue\r\n"), Ok(true));
    assert_eq!(expect(post, "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), Ok(true));
    assert_eq!(expect(post, "Expect: 100-continue\r\nContent-Length: 0\r\n"), Ok(false));
    assert_eq!(expect(post, "Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(expect(post, "Expect:\r\nContent-Length: 1\r\n"), Ok(false));
    assert_eq!(
        expect("POST / HTTP/1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n"),
        Ok(false)
    );
    for bad in ["200-ok", "100-continue, x", "x, 100-continue", "100-continue;a"] {
        let fault = expect(post, &format!("Expect: {bad}\r\n")).err();
        assert_eq!(fault, Some(Fault::ExpectationFailed), "{bad}");
    }
}

/// A well-formed head, varied in all that matters to the parser.
fn well_formed() -> impl Strategy<Value = String> {
    let target = prop_oneof![
        "/[a-z0-9/%._~-]{0,20}([?][a-z=&]{0,10})?",
        "https?://[a-z]{1,9}(:80)?(/[a-z]{0,9})?"
    ];
    let field = ("[A-Za-z][A-Za-z0-9_-]{0,20}", "[ \t]{0,2}", "([!-~][ -~]{0,30})?");
    ("(GET|POST|DELETE|PURGE)", target, "HTTP/1[.][01]", proptest::collection::vec(field, 0..12))
        .prop_map(|(method, target, version, fields)| {
            let fields: String = fields
                .iter()
                .map(|(name, space, value)| format!("{name}:{space}{value}\r\n"))
                .collect();
            format!("{method} {target} {version}\r\nHost: a\r\n{fields}\r\n")
        })
}

proptest! {
    #[test]
    fn a_head_is_the_same_however_its_bytes_arrive(head in well_formed(), cuts in any::<[prop::sample::Index; 3]>()) {
        let stream = [head.as_bytes(), b"GET /next"].concat();
        let mut cuts = cuts.map(|cut| cut.index(stream.len()));
        cuts.sort_unstable();
        let mut scanner = HeadScanner::new();
        let found = cuts
            .into_iter()
            .chain([stream.len()])
            .find_map(|end| scanner.find_end(&stream[..end], &LIMITS).transpose());
        prop_assert_eq!(found, Some(Ok(head.len())));
    }

    #[test]
    fn every_span_is_within_the_head_and_lines_are_in_order(head in well_formed()) {
        let Ok(parsed) = parse(&head) else { return Ok(()) };
        let mut end = parsed.target.range().end;
        for field in &parsed.fields {
            prop_assert!(field.name.range().start > end);
            prop_assert!(field.value.is_empty() || field.value.range().start >= field.name.range().end);
            prop_assert!(!field.value.of(head.as_bytes()).starts_with(b" "));
            prop_assert!(!field.value.of(head.as_bytes()).ends_with(b"\t"));
            end = field.name.range().end.max(field.value.range().end);
        }
        prop_assert!(end + 4 <= head.len());
    }

    /// What is forwarded is written from the parts: a second parser must read the same from it.
    #[test]
    fn what_is_accepted_and_written_again_parses_the_same(head in well_formed()) {
        let Ok(first) = parse(&head) else { return Ok(()) };
        let text = head.as_bytes();
        let mut written = [first.method_token.of(text), b" ", first.target.of(text)].concat();
        let version: &[u8] = if first.version == Version::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" };
        written.extend_from_slice(version);
        for field in &first.fields {
            written.extend([field.name.of(text), b": ", field.value.of(text), b"\r\n"].concat());
        }
        written.extend_from_slice(b"\r\n");
        let second = parse_bytes(&written);
        prop_assert!(second.is_ok(), "{:?}", second);
        let second = second.expect("just checked");
        prop_assert_eq!(second.framing, first.framing);
        prop_assert_eq!(second.keep_alive, first.keep_alive);
        prop_assert_eq!(second.path.of(&written), first.path.of(text));
        prop_assert_eq!(second.authority.of(&written), first.authority.of(text));
        prop_assert_eq!(second.fields.len(), first.fields.len());
        for (one, two) in first.fields.iter().zip(&second.fields) {
            prop_assert_eq!(one.value.of(text), two.value.of(&written));
            prop_assert_eq!((one.known, one.hop_by_hop), (two.known, two.hop_by_hop));
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse_bytes(&bytes);
        let _ = parse_bytes(&[b"GET / HTTP/1.1\r\nHost: a\r\n", &bytes[..], b"\r\n\r\n"].concat());
    }
}
