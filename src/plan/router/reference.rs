//! The naive matcher that the tree is checked against: every key in turn, the documented
//! precedence as a sort key. Shares no code with the tree.

use proptest::prelude::*;

use super::{
    Candidate, METHODS_ANY, PathSpans, Precedence, Router, RouterError, Verdict, Walk, method_bit,
};
use crate::base::Method;
use crate::model::{PathPattern, RouteKey, RouteMethod, Segment};

/// Parses a well-formed key of a test.
pub(super) fn key(text: &str) -> RouteKey {
    let Some((method, path)) = text.split_once(' ') else { return RouteKey::Default };
    let method = match method {
        "ANY" => RouteMethod::Any,
        token => RouteMethod::Exact(Method::from_token(token.as_bytes())),
    };
    let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.into()),
            None => Segment::Parameter(name.into()),
        },
        None => Segment::Static(text.into()),
    };
    let segments = match path {
        "/" => Vec::new(),
        path => path.split('/').skip(1).map(segment).collect(),
    };
    RouteKey::Path { method, path: PathPattern { segments } }
}

pub(super) fn keys(texts: &[&str]) -> Vec<RouteKey> {
    texts.iter().map(|text| key(text)).collect()
}

/// The route that should be found, and the values of its parameters.
fn reference(
    keys: &[RouteKey],
    precedence: Precedence,
    method: Method,
    path: &[u8],
) -> Option<(u32, Vec<Vec<u8>>)> {
    let is_rest = precedence == Precedence::RestApi;
    let path = path.strip_suffix(b"/").filter(|_| is_rest).unwrap_or(path);
    let mut best = None;
    for (index, key) in (0..).zip(keys) {
        let (rank, values) = match key {
            RouteKey::Default => ((2, Vec::new(), false), Vec::new()),
            RouteKey::Path { method: wanted, path: pattern } => {
                let is_any = *wanted == RouteMethod::Any;
                let takes_any = !is_rest || REST_METHODS.contains(&method);
                if !(is_any && takes_any) && *wanted != RouteMethod::Exact(method) {
                    continue;
                }
                let Some((shape, values)) = values_of(pattern, path) else { continue };
                let goes_last = !is_rest && shape.contains(&2);
                ((u8::from(goes_last), shape, is_any), values)
            }
        };
        if best.as_ref().is_none_or(|(best_rank, _, _)| rank < *best_rank) {
            best = Some((rank, index, values));
        }
    }
    best.map(|(_, index, values)| (index, values))
}

const REST_METHODS: [Method; 7] = [
    Method::Delete,
    Method::Get,
    Method::Head,
    Method::Options,
    Method::Patch,
    Method::Post,
    Method::Put,
];

/// Of each segment whether it is literal (0), a parameter (1) or greedy (2), and the values.
fn values_of(pattern: &PathPattern, path: &[u8]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let path = if path.is_empty() { b"/" } else { path };
    let root = [Segment::Static(String::new())];
    let segments = if pattern.segments.is_empty() { &root[..] } else { &pattern.segments };
    let mut rest = Some(path.strip_prefix(b"/")?);
    let (mut shape, mut values) = (Vec::new(), Vec::new());
    for segment in segments {
        let here = rest?;
        let (raw, after) = match here.iter().position(|byte| *byte == b'/') {
            Some(slash) => (&here[..slash], Some(&here[slash + 1..])),
            None => (here, None),
        };
        rest = after;
        match segment {
            Segment::Static(text) if decoded(raw) == text.as_bytes() => shape.push(0),
            Segment::Parameter(_) if !raw.is_empty() => {
                shape.push(1);
                values.push(raw.to_vec());
            }
            Segment::Greedy(_) if !here.is_empty() => {
                shape.push(2);
                values.push(here.to_vec());
                rest = None;
            }
            _ => return None,
        }
    }
    rest.is_none().then_some((shape, values))
}

fn decoded(raw: &[u8]) -> Vec<u8> {
    let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
    match raw {
        [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let byte = u8::from_str_radix(&text(&[*high, *low]), 16).expect("two digits");
            [vec![byte], decoded(rest)].concat()
        }
        [byte, rest @ ..] => [vec![*byte], decoded(rest)].concat(),
        [] => Vec::new(),
    }
}

fn values(router: &Router, method: Method, path: &[u8]) -> Option<(u32, Vec<Vec<u8>>)> {
    let mut spans = PathSpans::default();
    let found = router.find(method, path, &mut spans)?;
    let value = |index| spans.raw(index, path).expect("counted").to_vec();
    assert_eq!(spans.raw(spans.count(), path), None, "no value beyond the count");
    Some((found, (0..spans.count()).map(value).collect()))
}

fn finds_what_the_rules_say(
    router: &Router,
    keys: &[RouteKey],
    method: Method,
    path: &[u8],
) -> Result<(), TestCaseError> {
    let precedence = router.precedence;
    prop_assert_eq!(
        values(router, method, path),
        reference(keys, precedence, method, path),
        "{:?} {:?} {}",
        precedence,
        method,
        String::from_utf8_lossy(path)
    );
    let mut spans = PathSpans::default();
    let compared = precedence.compared(path);
    let mut walk = Walk::new(&router.tree, compared, method_bit(method), &mut spans);
    let _ = walk.run(precedence);
    prop_assert!(walk.visits <= router.visits_max());
    explanation_agrees(router, method, path)
}

/// The explanation names the route that is found, and its candidates are in the order of the list.
fn explanation_agrees(router: &Router, method: Method, path: &[u8]) -> Result<(), TestCaseError> {
    let explanation = router.explain(method, path);
    prop_assert_eq!(explanation.route, router.find(method, path, &mut PathSpans::default()));
    let taken: Vec<_> =
        explanation.candidates.iter().filter(|one| one.verdict == Verdict::Taken).collect();
    prop_assert_eq!(taken.first().map(|one| one.route), explanation.route);
    prop_assert!(taken.len() <= 1);
    let list = router.list();
    let place = |one: &Candidate| list.iter().position(|route| *route == one.route);
    prop_assert!(explanation.candidates.is_sorted_by_key(place));
    prop_assert!(explanation.candidates.iter().all(|one| place(one).is_some()));
    let refused = explanation.candidates.iter().take_while(|one| one.verdict != Verdict::Taken);
    prop_assert!(refused.clone().all(|one| one.verdict == Verdict::OtherMethod));
    Ok(())
}

fn any_segment() -> impl Strategy<Value = Segment> {
    // Around sixteen bytes, which a lookup reads at once, and with a shared start.
    let literals = [
        "a",
        "b",
        "ab",
        "abc",
        "a/b",
        "/",
        "",
        "%",
        "é",
        "a%2Fb",
        "aaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaab",
        "aaaaaaaaaaaaaaaac",
    ];
    prop_oneof![
        4 => proptest::sample::select(literals.to_vec()).prop_map(|text| Segment::Static(text.into())),
        2 => Just(Segment::Parameter("x".into())),
    ]
}

fn any_key() -> impl Strategy<Value = RouteKey> {
    let methods = [
        RouteMethod::Any,
        RouteMethod::Exact(Method::Get),
        RouteMethod::Exact(Method::Post),
        RouteMethod::Exact(Method::Delete),
    ];
    let path = (proptest::collection::vec(any_segment(), 0..5), any::<bool>());
    let path = path.prop_map(|(mut segments, is_greedy)| {
        if is_greedy {
            segments.push(Segment::Greedy("rest".into()));
        }
        PathPattern { segments }
    });
    prop_oneof![
        1 => Just(RouteKey::Default),
        30 => (proptest::sample::select(methods.to_vec()), path)
            .prop_map(|(method, path)| RouteKey::Path { method, path }),
    ]
}

fn any_method() -> impl Strategy<Value = Method> {
    let methods = [Method::Get, Method::Post, Method::Head, Method::Other];
    proptest::sample::select(methods.to_vec())
}

fn any_path() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 17] = [
        b"/",
        b"/",
        b"/",
        b"/",
        b"a",
        b"b",
        b"ab",
        b"c",
        b"%61",
        b"%2F",
        b"%2f",
        b"%25",
        b"%",
        b"\xC3\xA9",
        b"%C3%A9",
        b"\xFF",
        b"%FF",
    ];
    let tail = proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..12);
    (any::<bool>(), tail).prop_map(|(is_rooted, tail)| {
        let start: &[u8] = if is_rooted { b"/" } else { b"" };
        [start, &tail.concat()].concat()
    })
}

/// A path that `key` matches, or nearly so: parameters get values, some segments are changed.
fn path_near(key: &RouteKey, changes: &[u8]) -> Vec<u8> {
    let RouteKey::Path { path, .. } = key else { return b"/a/b".to_vec() };
    let mut text = Vec::new();
    let mut changes = changes.iter().cycle();
    for segment in &path.segments {
        text.push(b'/');
        let change = changes.next().copied().unwrap_or(0);
        match segment {
            Segment::Static(literal) => {
                for byte in literal.bytes() {
                    if change % 3 == 0 || b"/%".contains(&byte) {
                        text.extend(format!("%{byte:02x}").bytes());
                    } else {
                        text.push(byte);
                    }
                }
            }
            Segment::Parameter(_) => {
                text.extend([&b"a"[..], b"b", b"ab", b"%2F"][usize::from(change) % 4])
            }
            Segment::Greedy(_) => {
                text.extend([&b"a"[..], b"b/", b"/ab", b""][usize::from(change) % 4])
            }
        }
        if change % 11 == 0 {
            text.push(b'c');
        }
    }
    text
}

/// The keys without those that repeat an earlier one.
fn without_conflicts(mut keys: Vec<RouteKey>) -> Vec<RouteKey> {
    if let Err(errors) = Router::compile(&keys, Precedence::HttpApi) {
        let repeated: Vec<_> = errors.iter().map(RouterError::route_index).collect();
        let mut index = 0;
        keys.retain(|_| {
            index += 1;
            !repeated.contains(&(index - 1))
        });
    }
    keys
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_tree_finds_what_the_rules_say(
        keys in proptest::collection::vec(any_key(), 0..24).prop_map(without_conflicts),
        requests in proptest::collection::vec((any_method(), any_path()), 1..12),
        near in proptest::collection::vec((any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 6)), 8),
    ) {
        let near: Vec<_> = near.iter().filter(|_| !keys.is_empty()).flat_map(|(place, changes)| {
            let path = path_near(place.get(&keys), changes);
            [(Method::Get, path.clone()), (Method::Post, path.clone()), (Method::Other, path)]
        }).collect();
        for precedence in [Precedence::HttpApi, Precedence::RestApi] {
            let router = Router::compile(&keys, precedence).expect("conflicts were taken out");
            for (method, path) in requests.iter().chain(&near) {
                finds_what_the_rules_say(&router, &keys, *method, path)?;
            }
        }
    }

    #[test]
    fn conflicts_are_those_keys_that_match_the_same_requests(
        keys in proptest::collection::vec(any_key(), 0..24),
    ) {
        // Two keys are the same up to names of parameters, which `any_key` always names alike;
        // the root has two spellings.
        let same = |one: &RouteKey| match one {
            RouteKey::Path { method, path } if path.segments.is_empty() => RouteKey::Path {
                method: *method,
                path: PathPattern { segments: vec![Segment::Static(String::new())] },
            },
            other => other.clone(),
        };
        let normal: Vec<_> = keys.iter().map(same).collect();
        let expected: Vec<u32> = (0..keys.len())
            .filter(|index| normal[..*index].contains(&normal[*index]))
            .map(|index| index as u32)
            .collect();
        for precedence in [Precedence::HttpApi, Precedence::RestApi] {
            let reported: Vec<u32> = match Router::compile(&keys, precedence) {
                Ok(_) => Vec::new(),
                Err(errors) => errors.iter().map(RouterError::route_index).collect(),
            };
            prop_assert_eq!(&reported, &expected);
        }
    }
}

#[test]
fn the_bits_of_any_hold_every_method() {
    for method in [Method::Get, Method::Trace, Method::Connect, Method::Other] {
        assert_ne!(METHODS_ANY & method_bit(method), 0);
        assert_ne!(method_bit(method), METHODS_ANY);
    }
}
