//! Builds the radix tree from route keys.

use std::ops::Range;

use super::tree::{End, NONE, Node, Tree};
use super::{METHODS_ANY, RouterError, SEGMENTS_COUNT_MAX, method_bit};
use crate::base::limits::PATH_PARAMETERS_MAX;
use crate::model::{PathPattern, RouteKey, RouteMethod, Segment};
use crate::plan::key_text::route_key_text;
use crate::plan::symbol::{GREEDY, PARAMETER, SLASH_IN_SEGMENT};

/// What route keys become.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) tree: Tree,
    pub(super) default_route: Option<u32>,
    pub(super) visits_max: u32,
}

/// Builds the tree of `keys`, or says everything that is wrong with them.
pub(super) fn build(keys: &[RouteKey]) -> Result<Built, Vec<RouterError>> {
    let mut errors = Vec::new();
    let mut default_route = None;
    let mut patterns = Patterns::default();
    for (index, key) in (0..).zip(keys) {
        match key {
            RouteKey::Default => match default_route {
                None => default_route = Some(index),
                Some(first) => errors.push(conflict(keys, first, index)),
            },
            RouteKey::Path { method, path } => match pattern_fault(index, key, path) {
                None => patterns.push(index, *method, path),
                Some(fault) => errors.push(fault),
            },
        }
    }
    patterns.sort();
    patterns.conflicts(keys, &mut errors);
    if !errors.is_empty() {
        errors.sort_by_key(RouterError::route_index);
        return Err(errors);
    }
    let tree = TreeBuilder::default().build(&patterns);
    let visits_max = visits_max(&tree);
    Ok(Built { tree, default_route, visits_max })
}

fn conflict(keys: &[RouteKey], first: u32, second: u32) -> RouterError {
    let text = |index: u32| keys.get(index as usize).map(route_key_text).unwrap_or_default();
    RouterError::Conflict {
        first: text(first),
        second: text(second),
        first_index: first,
        second_index: second,
    }
}

fn pattern_fault(index: u32, key: &RouteKey, path: &PathPattern) -> Option<RouterError> {
    let segments = &path.segments;
    let greedy_place = segments.iter().position(|one| matches!(one, Segment::Greedy(_)));
    let parameters_count = segments.iter().filter(|one| !matches!(one, Segment::Static(_))).count();
    let reason = if greedy_place.is_some_and(|place| place + 1 != segments.len()) {
        "a greedy parameter must be the last segment".to_string()
    } else if parameters_count > PATH_PARAMETERS_MAX {
        format!("{parameters_count} path parameters, the most is {PATH_PARAMETERS_MAX}")
    } else if segments.len() > SEGMENTS_COUNT_MAX {
        format!("{} segments, the most is {SEGMENTS_COUNT_MAX}", segments.len())
    } else if flattened_bytes(path) > usize::from(u16::MAX) {
        format!("a path of {} bytes, the most is {}", flattened_bytes(path), u16::MAX)
    } else {
        return None;
    };
    Some(RouterError::Unusable { key: route_key_text(key), index, reason })
}

fn flattened_bytes(path: &PathPattern) -> usize {
    let segment_bytes = |segment: &Segment| match segment {
        Segment::Static(text) => 1 + text.len(),
        Segment::Parameter(_) | Segment::Greedy(_) => 2,
    };
    path.segments.iter().map(segment_bytes).sum::<usize>().max(1)
}

/// The patterns as strings of symbols, all in one arena.
#[derive(Debug, Default)]
struct Patterns {
    symbols: Vec<u8>,
    sorted: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    symbols: Range<usize>,
    methods: u16,
    route: u32,
}

impl Patterns {
    fn push(&mut self, route: u32, method: RouteMethod, path: &PathPattern) {
        let start = self.symbols.len();
        for segment in &path.segments {
            self.symbols.push(b'/');
            match segment {
                Segment::Static(text) => self.symbols.extend(
                    text.bytes().map(|byte| if byte == b'/' { SLASH_IN_SEGMENT } else { byte }),
                ),
                Segment::Parameter(_) => self.symbols.push(PARAMETER),
                Segment::Greedy(_) => self.symbols.push(GREEDY),
            }
        }
        if path.segments.is_empty() {
            self.symbols.push(b'/');
        }
        let methods = match method {
            RouteMethod::Any => METHODS_ANY,
            RouteMethod::Exact(method) => method_bit(method),
        };
        self.sorted.push(Pattern { symbols: start..self.symbols.len(), methods, route });
    }

    /// By path, then exact methods before ANY, then in the order of the file.
    fn sort(&mut self) {
        let symbols = &self.symbols;
        self.sorted.sort_unstable_by(|one, other| {
            let order = symbols[one.symbols.clone()].cmp(&symbols[other.symbols.clone()]);
            order.then(one.methods.cmp(&other.methods)).then(one.route.cmp(&other.route))
        });
    }

    fn of(&self, index: usize) -> &[u8] {
        &self.symbols[self.sorted[index].symbols.clone()]
    }

    /// Names each pattern that repeats an earlier one with the same method.
    fn conflicts(&self, keys: &[RouteKey], errors: &mut Vec<RouterError>) {
        let mut first = 0;
        for index in 1..self.sorted.len() {
            let same_requests = self.of(first) == self.of(index)
                && self.sorted[first].methods == self.sorted[index].methods;
            if same_requests {
                errors.push(conflict(keys, self.sorted[first].route, self.sorted[index].route));
            } else {
                first = index;
            }
        }
    }
}

/// A run of sorted patterns that agree in their first `depth` symbols, and the node they get.
#[derive(Debug)]
struct Task {
    run: Range<usize>,
    depth: usize,
    node: usize,
}

#[derive(Debug, Default)]
struct TreeBuilder {
    nodes: Vec<Node>,
    text: Vec<u8>,
    ends: Vec<End>,
    tasks: Vec<Task>,
}

const EMPTY: Node = Node {
    text_start: 0,
    children_start: 0,
    parameter: NONE,
    ends_start: 0,
    label_bytes: 0,
    children_count: 0,
    methods: 0,
    full_count: 0,
    greedy_count: 0,
};

impl TreeBuilder {
    /// Depth first, so that what lies below a node lies near it: the few nodes at the top are in
    /// every cache anyway, and a small subtree is a few lines in a row.
    fn build(mut self, patterns: &Patterns) -> Tree {
        self.enqueue(0..patterns.sorted.len(), 0);
        while let Some(task) = self.tasks.pop() {
            self.fill(patterns, &task);
        }
        self.unite_methods();
        Tree { nodes: self.nodes.into(), text: self.text.into(), ends: self.ends.into() }
    }

    fn enqueue(&mut self, run: Range<usize>, depth: usize) -> u32 {
        let node = self.nodes.len();
        self.nodes.push(EMPTY);
        self.tasks.push(Task { run, depth, node });
        dense(node)
    }

    fn fill(&mut self, patterns: &Patterns, task: &Task) {
        let label = shared_label(patterns, task);
        let depth = task.depth + label.len();
        let full_end = task.run.clone().find(|index| patterns.of(*index).len() > depth);
        let full = task.run.start..full_end.unwrap_or(task.run.end);
        let mut node = Node {
            text_start: dense(self.text.len()),
            label_bytes: u16::try_from(label.len()).expect("patterns are at most u16::MAX long"),
            ends_start: dense(self.ends.len()),
            full_count: count(full.len()),
            ..EMPTY
        };
        self.text.extend_from_slice(label);
        self.push_ends(patterns, full.clone());
        node.children_start = dense(self.nodes.len());
        let mut parameter = None;
        let mut rest = full.end..task.run.end;
        while let Some(first) = rest.clone().next().map(|index| patterns.of(index)[depth]) {
            let end = rest.clone().find(|index| patterns.of(*index)[depth] != first);
            let group = rest.start..end.unwrap_or(rest.end);
            rest.start = group.end;
            match first {
                GREEDY => {
                    node.greedy_count = count(group.len());
                    self.push_ends(patterns, group);
                }
                PARAMETER => parameter = Some(group),
                _ => {
                    self.text.push(first);
                    self.enqueue(group, depth);
                    node.children_count += 1;
                }
            }
        }
        // Last, so that the static children are neighbours.
        if let Some(group) = parameter {
            node.parameter = self.enqueue(group, depth + 1);
        }
        self.nodes[task.node] = node;
    }

    fn push_ends(&mut self, patterns: &Patterns, run: Range<usize>) {
        let end = |pattern: &Pattern| End { methods: pattern.methods, route: pattern.route };
        self.ends.extend(patterns.sorted[run].iter().map(end));
    }

    /// Children come after their parent, so one pass from the back sees them first.
    fn unite_methods(&mut self) {
        for index in (0..self.nodes.len()).rev() {
            let node = self.nodes[index];
            let first = node.ends_start as usize;
            let ends = first..first + usize::from(node.full_count + node.greedy_count);
            let own = self.ends[ends].iter().map(|end| end.methods);
            let below = children(&node).map(|child| self.nodes[child].methods);
            let methods = own.chain(below).fold(0, |all, one| all | one);
            self.nodes[index].methods = methods;
        }
    }
}

/// The symbols that all patterns of the run share from `depth` on, up to a parameter.
fn shared_label<'patterns>(patterns: &'patterns Patterns, task: &Task) -> &'patterns [u8] {
    let Some(last) = task.run.clone().next_back() else { return &[] };
    // The run is sorted: what its first and last share, all share.
    let (first, last) =
        (&patterns.of(task.run.start)[task.depth..], &patterns.of(last)[task.depth..]);
    let shared = first
        .iter()
        .zip(last)
        .take_while(|(one, other)| one == other && **one != PARAMETER && **one != GREEDY);
    &first[..shared.count()]
}

/// All children of a node, the parameter child included.
fn children(node: &Node) -> impl Iterator<Item = usize> + use<> {
    let start = node.children_start as usize;
    let parameter = (node.parameter != NONE).then_some(node.parameter as usize);
    (start..start + usize::from(node.children_count)).chain(parameter)
}

/// The most nodes that any one lookup enters: below a node its parameter child and one static
/// child. The bound is for the worst path and method; most lookups enter far fewer.
fn visits_max(tree: &Tree) -> u32 {
    let mut visits = vec![0_u32; tree.nodes.len()];
    for index in (0..tree.nodes.len()).rev() {
        let node = &tree.nodes[index];
        let start = node.children_start as usize;
        let below = visits[start..]
            .iter()
            .take(usize::from(node.children_count))
            .max()
            .copied()
            .unwrap_or(0);
        let parameter = if node.parameter == NONE { 0 } else { visits[node.parameter as usize] };
        visits[index] = 1_u32.saturating_add(below).saturating_add(parameter);
    }
    visits.first().copied().unwrap_or(0)
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 nodes, ends and bytes of patterns")
}

/// Ends of one place differ in their methods, so there are few.
fn count(ends: usize) -> u8 {
    u8::try_from(ends).expect("conflicts were refused: one end per method")
}
