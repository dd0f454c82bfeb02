//! No bytes break the parser, and mistakes always lie within the file.

use proptest::prelude::*;
use shardgate::settings;

fn check(bytes: &[u8]) {
    let Err(mistakes) = settings::parse_bytes("hostile", bytes) else { return };
    let lines = bytes.split(|&byte| byte == b'\n').count();
    assert!(mistakes.len() > 0);
    for mistake in mistakes.iter() {
        assert!(mistake.line <= lines, "{mistake:?}");
        assert!(mistake.column <= bytes.len() + 1, "{mistake:?}");
    }
    assert!(mistakes.to_string().contains("mistake"));
}

/// Pieces of files, so that more than the first error is reached.
const PIECES: &[&str] = &[
    "[[listener]]\n",
    "[[upstream]]\n",
    "[[api]]\n",
    "[[api.route]]\n",
    "[process]\n",
    "[[process.core]]\n",
    "[limits]\n",
    "[api.route.mock]\n",
    "name = \"a\"\n",
    "name = 1\n",
    "address = \"127.0.0.1:0\"\n",
    "targets = [\"a:1\", {}, [], { address = \"é:1\" }]\n",
    "key = \"GET /{é}\"\n",
    "key = \"GET /%\"\n",
    "key = '''GET /{a}/{a}'''\n",
    "path = \"/{\"\n",
    "path = \"\"\"\n/{a\"\"\"\n",
    "mock = { headers = { é = \"\\u0000\", a = [1, \"\"] }, body_base64 = \"é===\" }\n",
    "redirect = { location = \"/{é}\" }\n",
    "upstream = \"\"\n",
    "hosts = [\"é:80\", \"\", \":\", \"*.\"]\n",
    "shards = [9999999999999999999999999, -1, 0x10]\n",
    "format = \"$context.é $\"\n",
    "throttle = { rate_per_second = inf, burst_count = -0 }\n",
    "body_bytes_max = 99999999999999999999\n",
    "é = 1\n",
    "\"\" = 1\n",
    "a.b.c = 1979-05-27\n",
    "[",
    "]",
    "{",
    "\"",
    "'",
    "=",
    "\r",
    "\n",
    "\u{feff}",
];

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn any_text(text in "\\PC{0,80}") {
        check(text.as_bytes());
    }

    #[test]
    fn pieces_of_files(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn a_good_file_with_a_hole_or_a_splinter(
        start in 0_usize..600,
        length in 0_usize..40,
        splinter in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut bytes = super::small_file("[limits]\nhead_bytes_max = 10_240").into_bytes();
        let start = start.min(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, splinter);
        check(&bytes);
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    for opening in ["[", "{a=", "a."] {
        let text = format!("a = {}", opening.repeat(100_000));
        check(text.as_bytes());
    }
    check("[a.".repeat(50_000).as_bytes());
    check(format!("{}b = 1", "a.".repeat(50_000)).as_bytes());
}
