//! Path patterns as strings of symbols, in the order in which the tree is built.

use std::cmp::Ordering;
use std::ops::Range;

use super::method_bit;
use crate::model::{PathPattern, RouteMethod, Segment};
use crate::plan::symbol::{GREEDY, PARAMETER, SLASH_IN_SEGMENT};

/// The patterns as strings of symbols, all in one arena.
#[derive(Debug)]
pub(super) struct Patterns {
    /// The bits of ANY.
    methods_any: u16,
    symbols: Vec<u8>,
    pub(super) sorted: Vec<Pattern>,
}

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    symbols: Range<usize>,
    pub(super) methods: u16,
    pub(super) route: u32,
}

impl Patterns {
    pub(super) const fn new(methods_any: u16) -> Self {
        Self { methods_any, symbols: Vec::new(), sorted: Vec::new() }
    }

    pub(super) fn push(&mut self, route: u32, method: RouteMethod, path: &PathPattern) {
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
            RouteMethod::Any => self.methods_any,
            RouteMethod::Exact(method) => method_bit(method),
        };
        self.sorted.push(Pattern { symbols: start..self.symbols.len(), methods, route });
    }

    /// By path segment by segment, then exact methods before ANY, then in the order of the file.
    pub(super) fn sort(&mut self) {
        let symbols = &self.symbols;
        self.sorted.sort_unstable_by(|one, other| {
            let order = by_segment(&symbols[one.symbols.clone()], &symbols[other.symbols.clone()]);
            order.then(one.methods.cmp(&other.methods)).then(one.route.cmp(&other.route))
        });
    }

    /// The symbols of the pattern at this place of the order.
    pub(super) fn of(&self, index: usize) -> &[u8] {
        &self.symbols[self.sorted[index].symbols.clone()]
    }

    /// Each pattern that repeats an earlier one with the same method, and that one.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = (u32, u32)> {
        let mut first = 0;
        (1..self.sorted.len()).filter_map(move |index| {
            let same_requests = self.of(first) == self.of(index)
                && self.sorted[first].methods == self.sorted[index].methods;
            if !same_requests {
                first = index;
                return None;
            }
            Some((self.sorted[first].route, self.sorted[index].route))
        })
    }
}

/// Compares two patterns so that those with the same first segments are neighbours: `/` goes
/// before every other symbol, or `/a-b` would come between `/a` and `/a/c`.
fn by_segment(one: &[u8], other: &[u8]) -> Ordering {
    // Whole blocks first: sorting is most of what compiling many routes costs.
    let blocks = one.chunks_exact(16).zip(other.chunks_exact(16));
    let equal = 16 * blocks.take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[equal..], &other[equal..]);
    match one.iter().zip(other).find(|(one, other)| one != other) {
        None => one.len().cmp(&other.len()),
        Some((b'/', _)) => Ordering::Less,
        Some((_, b'/')) => Ordering::Greater,
        Some((one, other)) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::keys;
    use super::*;
    use crate::model::RouteKey;

    #[test]
    fn equal_first_segments_are_neighbours() {
        let mut patterns = Patterns::new(u16::MAX);
        for (index, key) in (0..).zip(keys(&["GET /a/c", "GET /a-b", "GET /a", "GET /{x}"])) {
            let RouteKey::Path { method, path } = key else { panic!("all have a path") };
            patterns.push(index, method, &path);
        }
        patterns.sort();
        let order: Vec<_> = patterns.sorted.iter().map(|pattern| pattern.route).collect();
        assert_eq!(order, [2, 0, 1, 3]);
        assert_eq!(patterns.conflicts().count(), 0);
    }
}
