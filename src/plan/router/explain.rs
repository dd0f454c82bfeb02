//! Says why a request goes where it goes, for the `routes` command.
//!
//! Walks the same tree as a lookup, but through everything that fits the path, whatever its
//! method. Allocates; never used for requests.

use std::fmt;

use super::segment::PathSegment;
use super::tree::{End, NONE, Tree};
use super::{PathSpans, Precedence, Router, method_bit};
use crate::base::Method;

/// Which route takes a request, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// The request, as `METHOD PATH`.
    pub request: String,
    /// Index of the route that takes it.
    pub route: Option<u32>,
    /// Names and raw values of its parameters.
    pub parameters: Vec<(String, String)>,
    /// Every route that fits the path, best first.
    pub candidates: Vec<Candidate>,
    /// What the caller may have meant, where no route with a path takes the request.
    pub hint: Option<String>,
    /// What is answered where no route takes the request.
    pub refusal: &'static str,
}

/// A route that fits the path of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// Its index.
    pub route: u32,
    /// Its key.
    pub key: String,
    /// How it fits.
    pub kind: CandidateKind,
    /// What came of it.
    pub verdict: Verdict,
}

/// How a route fits a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CandidateKind {
    /// Literal segments only.
    Static,
    /// With `{name}` segments.
    Parameter,
    /// With a `{name+}` rest.
    Greedy,
    /// `$default`.
    Default,
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It takes the request.
    Taken,
    /// It is for another method.
    OtherMethod,
    /// It would take the request, but another one goes before it, for this reason.
    Outranked(&'static str),
}

impl Router {
    /// Which route takes this request, and why. Agrees with [`Router::find`].
    #[must_use]
    pub fn explain(&self, method: Method, path: &[u8]) -> Explanation {
        let mut spans = PathSpans::default();
        let route = self.find(method, path, &mut spans);
        let method_text = method.token().unwrap_or("(extension method)");
        let by_path = route.is_some_and(|route| Some(route) != self.default_route);
        Explanation {
            request: format!("{method_text} {}", path.escape_ascii()),
            route,
            parameters: self.parameters(route, &spans, path),
            candidates: self.candidates(route, method, path),
            hint: if by_path { None } else { self.hint(method, path) },
            refusal: match self.precedence {
                Precedence::HttpApi => "404 Not Found",
                Precedence::RestApi => "403 Missing Authentication Token",
            },
        }
    }

    /// The indexes of all routes, in an order in which the first that fits a request takes it.
    #[must_use]
    pub fn list(&self) -> Vec<u32> {
        let children = self.tree.children();
        let mut found = Ranked::new(self.precedence);
        let mut waiting = vec![Step::Enter { node: 0, at: 0 }];
        while let Some(step) = waiting.pop() {
            let Some(node) = self.tree.node(step.node()) else { continue };
            if let Step::Greedy { .. } = step {
                found.greedy(self.tree.greedy_ends(node).iter().map(|end| end.route));
                continue;
            }
            found.full(self.tree.full_ends(node).iter().map(|end| end.route));
            waiting.push(Step::Greedy { node: step.node() });
            if node.parameter != NONE {
                waiting.push(Step::Enter { node: node.parameter, at: 0 });
            }
            let children = children.get(&step.node()).into_iter().flatten().rev();
            waiting.extend(children.map(|node| Step::Enter { node: *node, at: 0 }));
        }
        found.in_order().chain(self.default_route).collect()
    }

    fn parameters(
        &self,
        route: Option<u32>,
        spans: &PathSpans,
        path: &[u8],
    ) -> Vec<(String, String)> {
        let key = route.and_then(|route| self.key(route)).unwrap_or_default();
        // Braces of literal segments are percent-encoded in the text of a key.
        let names =
            key.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let value = |index| spans.raw(index, path).unwrap_or_default().escape_ascii().to_string();
        names.enumerate().map(|(index, name)| (name.replace('+', ""), value(index))).collect()
    }

    fn candidates(&self, taken: Option<u32>, method: Method, path: &[u8]) -> Vec<Candidate> {
        let fitting = self.fitting(path);
        let winner = fitting.iter().find(|one| Some(one.end.route) == taken);
        let verdict = |one: &Fitting| {
            if Some(one.end.route) == taken {
                Verdict::Taken
            } else if one.end.methods & method_bit(method) == 0 {
                Verdict::OtherMethod
            } else {
                let reason = |winner| one.outranked_by(winner, self.precedence);
                Verdict::Outranked(winner.map_or("", reason))
            }
        };
        let candidate = |one: &Fitting| {
            let key = self.key(one.end.route).unwrap_or_default();
            let kind = match one.rank {
                Rank::Default => CandidateKind::Default,
                Rank::Greedy => CandidateKind::Greedy,
                Rank::Full if key.contains('{') => CandidateKind::Parameter,
                Rank::Full => CandidateKind::Static,
            };
            Candidate { route: one.end.route, key: key.into(), kind, verdict: verdict(one) }
        };
        fitting.iter().map(candidate).collect()
    }

    /// Every route that fits the path, best first.
    fn fitting(&self, path: &[u8]) -> Vec<Fitting> {
        if path.len() > usize::from(u16::MAX) {
            return Vec::new();
        }
        let path = self.precedence.compared(path);
        let mut found = Ranked::new(self.precedence);
        let root = self.tree.node(0);
        let passed = root.and_then(|root| self.tree.pass_text::<true>(root, path, 0));
        let mut waiting: Vec<_> =
            passed.map(|at| Step::Enter { node: 0, at }).into_iter().collect();
        while let Some(step) = waiting.pop() {
            let place = step.node();
            let Some(node) = self.tree.node(place) else { continue };
            let fits = |end: &End, rank| Fitting { end: *end, rank, place };
            match step {
                Step::Greedy { .. } => {
                    found.greedy(
                        self.tree.greedy_ends(node).iter().map(|end| fits(end, Rank::Greedy)),
                    );
                }
                Step::Enter { at, .. } if at == path.len() => {
                    found.full(self.tree.full_ends(node).iter().map(|end| fits(end, Rank::Full)));
                }
                Step::Enter { at, .. } if path.get(at) == Some(&b'/') => {
                    waiting.extend(next_steps(&self.tree, place, path, at + 1));
                }
                Step::Enter { .. } => {}
            }
        }
        let default = self.default_route.map(|route| Fitting {
            end: End { methods: super::METHODS_ANY, route },
            rank: Rank::Default,
            place: NONE,
        });
        found.in_order().chain(default).collect()
    }

    /// A final slash is the usual reason for a surprise, where it makes another path.
    fn hint(&self, method: Method, path: &[u8]) -> Option<String> {
        if self.precedence == Precedence::RestApi {
            return None;
        }
        let other = match path.strip_suffix(b"/") {
            Some(without) => without.to_vec(),
            None => [path, b"/"].concat(),
        };
        let route = self.find(method, &other, &mut PathSpans::default())?;
        (Some(route) != self.default_route && !path.is_empty()).then(|| {
            format!(
                "`{}` would take `{}`: paths that differ in a final slash are two paths",
                self.key(route).unwrap_or_default(),
                other.escape_ascii()
            )
        })
    }
}

/// What a walk through the tree finds, by what goes first.
struct Ranked<T> {
    precedence: Precedence,
    first: Vec<T>,
    last: Vec<T>,
}

impl<T> Ranked<T> {
    const fn new(precedence: Precedence) -> Self {
        Self { precedence, first: Vec::new(), last: Vec::new() }
    }

    fn full(&mut self, found: impl Iterator<Item = T>) {
        self.first.extend(found);
    }

    /// In REST APIs what the walk comes to first goes first, greedy or not.
    fn greedy(&mut self, found: impl Iterator<Item = T>) {
        match self.precedence {
            Precedence::HttpApi => self.last.extend(found),
            Precedence::RestApi => self.first.extend(found),
        }
    }

    fn in_order(self) -> impl Iterator<Item = T> {
        self.first.into_iter().chain(self.last)
    }
}

/// Something left to look at. Taken from the end of a stack.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { node: u32, at: usize },
    Greedy { node: u32 },
}

impl Step {
    const fn node(self) -> u32 {
        match self {
            Self::Enter { node, .. } | Self::Greedy { node } => node,
        }
    }
}

/// What to look at below `place`, where a segment starts at byte `at` of the path: the last one
/// first.
fn next_steps(tree: &Tree, place: u32, path: &[u8], at: usize) -> Vec<Step> {
    let Some(node) = tree.node(place) else { return Vec::new() };
    let segment = PathSegment::read::<true>(path, at, tree.seed_below(place));
    let mut steps = Vec::new();
    if at < path.len() {
        steps.push(Step::Greedy { node: place });
    }
    if let Some(parameter) = tree.node(node.parameter).filter(|_| at < segment.end) {
        let passed = tree.pass_text::<true>(parameter, path, segment.end);
        steps.extend(passed.map(|at| Step::Enter { node: node.parameter, at }));
    }
    let child = tree.child::<true>(place, &segment, path);
    steps.extend(child.map(|(node, at)| Step::Enter { node, at }));
    steps
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    Full,
    Greedy,
    Default,
}

/// A route that fits the path.
#[derive(Clone, Copy, Debug)]
struct Fitting {
    end: End,
    rank: Rank,
    /// The node where it ends.
    place: u32,
}

impl Fitting {
    fn outranked_by(&self, winner: &Self, precedence: Precedence) -> &'static str {
        match (self.rank, winner.rank) {
            (Rank::Default, _) => "`$default` goes last",
            _ if self.place == winner.place => "an exact method goes before ANY",
            _ if precedence == Precedence::RestApi => {
                "at the first segment that differs, a literal goes before `{name}`, and that before \
                 `{name+}`"
            }
            (Rank::Greedy, Rank::Full) => "a full match goes before a greedy one",
            (Rank::Greedy, _) => "the more specific prefix goes first",
            (Rank::Full, _) => "a literal segment goes before a parameter",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.candidates.iter().find(|one| one.verdict == Verdict::Taken);
        match taken {
            Some(taken) => writeln!(out, "{} goes to `{}`", self.request, taken.key)?,
            None => writeln!(out, "{} goes to no route: {}", self.request, self.refusal)?,
        }
        for (name, value) in &self.parameters {
            writeln!(out, "  {name} = {value}")?;
        }
        if self.candidates.is_empty() {
            writeln!(out, "no route fits this path")?;
        } else {
            writeln!(out, "routes that fit this path, in the order of precedence:")?;
        }
        let width = self.candidates.iter().map(|one| one.key.len()).max().unwrap_or(0);
        for candidate in &self.candidates {
            writeln!(out, "  {:width$}  {candidate}", candidate.key)?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CandidateKind::Static => "static",
            CandidateKind::Parameter => "parameter",
            CandidateKind::Greedy => "greedy",
            CandidateKind::Default => "default",
        };
        match self.verdict {
            Verdict::Taken => write!(out, "{kind:9}  taken"),
            Verdict::OtherMethod => write!(out, "{kind:9}  is for another method"),
            Verdict::Outranked(reason) => write!(out, "{kind:9}  passed over: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::keys;
    use super::*;

    fn router(texts: &[&str]) -> Router {
        Router::compile(&keys(texts), Precedence::HttpApi).expect("no conflicts")
    }

    #[test]
    fn every_candidate_has_its_reason() {
        let router = router(&[
            "$default",
            "GET /{proxy+}",
            "GET /pets/{proxy+}",
            "GET /{kind}/{id}",
            "POST /pets/{id}",
            "ANY /pets/{id}",
            "GET /pets/{id}",
            "GET /toys/7",
        ]);
        let explanation = router.explain(Method::Get, b"/pets/a%20b");
        assert_eq!(explanation.route, Some(6));
        assert_eq!(explanation.parameters, [("id".to_string(), "a%20b".to_string())]);
        assert_eq!(
            explanation.to_string(),
            "GET /pets/a%20b goes to `GET /pets/{id}`\n  id = a%20b\n\
             routes that fit this path, in the order of precedence:\n\
             \x20 GET /pets/{id}      parameter  taken\n\
             \x20 POST /pets/{id}     parameter  is for another method\n\
             \x20 ANY /pets/{id}      parameter  passed over: an exact method goes before ANY\n\
             \x20 GET /{kind}/{id}    parameter  passed over: a literal segment goes before a parameter\n\
             \x20 GET /pets/{proxy+}  greedy     passed over: a full match goes before a greedy one\n\
             \x20 GET /{proxy+}       greedy     passed over: a full match goes before a greedy one\n\
             \x20 $default            default    passed over: `$default` goes last\n"
        );
        let greedy = router.explain(Method::Get, b"/pets/1/2");
        assert_eq!(greedy.route, Some(2));
        assert!(greedy.to_string().contains("the more specific prefix goes first"));
        assert_eq!(greedy.parameters, [("proxy".to_string(), "1/2".to_string())]);
    }

    #[test]
    fn no_route_is_said_with_what_was_near() {
        let router = router(&["GET /items", "POST /items/{id}/"]);
        let missed = router.explain(Method::Get, b"/items/");
        assert_eq!((missed.route, missed.candidates.len()), (None, 0));
        assert!(missed.to_string().contains("goes to no route: 404 Not Found"));
        assert!(missed.to_string().contains("hint: `GET /items` would take `/items`"));
        assert!(router.explain(Method::Post, b"/items/7").to_string().contains("`/items/7/`"));
        let other = router.explain(Method::Delete, b"/items");
        assert_eq!(other.candidates[0].verdict, Verdict::OtherMethod);
        assert_eq!(other.hint, None);
        assert_eq!(router.explain(Method::Get, b"/items").hint, None);
        assert_eq!(router.explain(Method::Get, &vec![b'/'; 70_000]).candidates, []);
    }

    #[test]
    fn rest_apis_have_reasons_of_their_own() {
        let keys = keys(&["ANY /{proxy+}", "GET /{kind}/b", "ANY /a/{proxy+}", "POST /a/b"]);
        let router = Router::compile(&keys, Precedence::RestApi).expect("no conflicts");
        assert_eq!(router.list(), [3, 2, 1, 0]);
        let explanation = router.explain(Method::Get, b"/a/b/");
        assert_eq!(explanation.route, Some(2));
        let routes: Vec<_> = explanation.candidates.iter().map(|one| one.route).collect();
        assert_eq!(routes, [3, 2, 1, 0]);
        let text = explanation.to_string();
        assert!(text.contains("POST /a/b        static     is for another method\n"), "{text}");
        assert!(text.contains("GET /{kind}/b    parameter  passed over: at the first segment"));
        let missed = router.explain(Method::Trace, b"/a/");
        assert!(missed.to_string().contains("no route: 403 Missing Authentication Token"));
        assert_eq!(missed.hint, None);
    }

    #[test]
    fn control_characters_of_a_path_are_shown_escaped() {
        let explanation = router(&["GET /{x}"]).explain(Method::Get, b"/\x1b[31m");
        assert!(!explanation.to_string().contains('\x1b'));
    }

    #[test]
    fn the_list_is_in_the_order_of_precedence() {
        let router = router(&[
            "$default",
            "ANY /{proxy+}",
            "GET /{a}",
            "GET /pets/{proxy+}",
            "ANY /pets",
            "GET /pets",
            "GET /",
        ]);
        assert_eq!(router.list(), [6, 5, 4, 2, 3, 1, 0]);
        assert!(Router::default().list().is_empty());
    }
}
