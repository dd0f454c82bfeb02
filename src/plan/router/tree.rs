//! The radix tree in flat arrays, and the walk that finds a route in it.

use std::collections::HashMap;

use super::Precedence;
use super::segment::PathSegment;
use super::spans::PathSpans;
use crate::plan::symbol::{needs_decoding, pass_label, segment_end};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A radix tree over the segments of path patterns.
///
/// A node's label is a run of literal segments, each with the `/` before it. After a label the
/// path ends, or goes on with a `/`. Static children are found by hashing one segment, whatever
/// their number: a tree over bytes has more levels the more routes there are, and each is a line
/// of memory that is in no cache. Here a level is one line, and its address follows from the path
/// alone, so the loads of several levels overlap.
///
/// # Invariants
///
/// - Node 0 is the root. The places after it are a hash table of static children, with linear
///   probing and never full; parameter children lie there too, and are reached by their index.
/// - Static children of one node differ in their first segment.
/// - A parameter child or a greedy end takes over behind the `/` that follows the label.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Box<[Node]>,
    /// What hashes begin with.
    pub(super) seed: u64,
    /// Of each node what its label has besides the head; equal ones are kept once.
    pub(super) text: Box<[u8]>,
    /// Of each node its full ends, then its greedy ends; exact methods before ANY.
    pub(super) ends: Box<[End]>,
}

/// One node: one cache line, with all that most lookups need of it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Node {
    /// Of a static child, the start of its first segment, without the `/`.
    pub(super) head: u128,
    /// Of a static child, its parent; else [`NONE`].
    pub(super) parent: u32,
    /// The parameter child, or [`NONE`].
    pub(super) parameter: u32,
    /// The label, or of a static child what follows the head.
    pub(super) text_start: u32,
    pub(super) ends_start: u32,
    /// The first of the full ends and of the greedy ends, or no methods.
    pub(super) full: End,
    pub(super) greedy: End,
    pub(super) text_bytes: u16,
    /// Of a static child, the length of its first segment.
    pub(super) segment_bytes: u16,
    /// Methods of all ends at and below this node; prunes the walk.
    pub(super) methods: u16,
    pub(super) full_count: u8,
    pub(super) greedy_count: u8,
    pub(super) has_children: bool,
}

/// Where a route ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    /// The methods that it takes, as bits.
    pub(super) methods: u16,
    /// Index of the route.
    pub(super) route: u32,
}

const _: () = assert!(size_of::<Node>() == 64);

impl Node {
    /// No node: a free place of the table.
    pub(super) const FREE: Self = Self {
        head: 0,
        parent: NONE,
        parameter: NONE,
        text_start: 0,
        ends_start: 0,
        full: End { methods: 0, route: 0 },
        greedy: End { methods: 0, route: 0 },
        text_bytes: 0,
        segment_bytes: 0,
        methods: 0,
        full_count: 0,
        greedy_count: 0,
        has_children: false,
    };

    /// Whether this place of the table is free. Every node has an end at or below it.
    pub(super) const fn is_free(&self) -> bool {
        self.methods == 0
    }
}

impl Tree {
    pub(super) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    /// Where `path`, read from `at`, has passed the text of `node`.
    #[inline]
    pub(super) fn pass_text<const ENCODED: bool>(
        &self,
        node: &Node,
        path: &[u8],
        at: usize,
    ) -> Option<usize> {
        if node.text_bytes == 0 {
            return Some(at);
        }
        pass_label::<ENCODED>(self.text(node), path, at)
    }

    /// The label, or of a static child what follows the head.
    pub(super) fn text(&self, node: &Node) -> &[u8] {
        let start = node.text_start as usize;
        self.text.get(start..start + usize::from(node.text_bytes)).unwrap_or_default()
    }

    /// The ends of routes that have no more segments here.
    pub(super) fn full_ends(&self, node: &Node) -> &[End] {
        let start = node.ends_start as usize;
        self.ends.get(start..start + usize::from(node.full_count)).unwrap_or_default()
    }

    /// The ends of routes whose greedy parameter starts here.
    pub(super) fn greedy_ends(&self, node: &Node) -> &[End] {
        let start = node.ends_start as usize + usize::from(node.full_count);
        self.ends.get(start..start + usize::from(node.greedy_count)).unwrap_or_default()
    }

    /// The static children of each node that has any, sorted by their labels. Only for lists: it
    /// looks at every node.
    pub(super) fn children(&self) -> HashMap<u32, Vec<u32>> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (index, node) in (0..).zip(&self.nodes).filter(|(_, node)| node.parent != NONE) {
            children.entry(node.parent).or_default().push(index);
        }
        let label = |index: &u32| {
            let node = self.node(*index);
            node.map(|node| (node.head.to_le_bytes(), node.segment_bytes, self.text(node)))
        };
        children.values_mut().for_each(|all| all.sort_by_key(label));
        children
    }

    /// What the hash of a segment below the node `parent` begins with.
    #[inline]
    pub(super) const fn seed_below(&self, parent: u32) -> u64 {
        seed_below(self.seed, parent)
    }

    /// The static child of `parent` that `segment` of `path` leads to, and where its label ends.
    #[inline]
    pub(super) fn child<const ENCODED: bool>(
        &self,
        parent: u32,
        segment: &PathSegment,
        path: &[u8],
    ) -> Option<(u32, usize)> {
        let mut place = home(segment.hash, self.nodes.len());
        loop {
            let node = self.nodes.get(place)?;
            let fits = node.parent == parent
                && node.head == segment.head
                && usize::from(node.segment_bytes) == segment.bytes;
            if fits && let Some(at) = self.pass_text::<ENCODED>(node, path, segment.head_end) {
                return Some((place as u32, at));
            }
            if node.is_free() {
                return None;
            }
            place = if place + 1 == self.nodes.len() { 0 } else { place + 1 };
        }
    }
}

/// What the hash of a segment below the node `parent` begins with.
#[inline]
pub(super) const fn seed_below(seed: u64, parent: u32) -> u64 {
    seed ^ (parent as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// Where the search for a node begins, in a table of so many places.
#[inline]
pub(super) fn home(hash: u64, places: usize) -> usize {
    ((u128::from(hash) * places as u128) >> 64) as usize
}

/// One lookup.
///
/// Depth first, static child before parameter child, so the first full match is the best one. A
/// node is a place in the patterns and is reached on one way only: no node is visited twice.
/// Greedy ends are taken on the way back, so the first one has the most specific prefix. In REST
/// APIs it ends the walk; in HTTP APIs it is noted, and counts only if the whole walk finds no full
/// match.
pub(super) struct Walk<'walk> {
    tree: &'walk Tree,
    path: &'walk [u8],
    method_bit: u16,
    spans: &'walk mut PathSpans,
    greedy: Option<u32>,
    greedy_spans: PathSpans,
    /// Nodes entered, for the test of the bound that the compiler computes.
    #[cfg(test)]
    pub(super) visits: u32,
}

impl<'walk> Walk<'walk> {
    pub(super) fn new(
        tree: &'walk Tree,
        path: &'walk [u8],
        method_bit: u16,
        spans: &'walk mut PathSpans,
    ) -> Self {
        Self {
            tree,
            path,
            method_bit,
            spans,
            greedy: None,
            greedy_spans: PathSpans::default(),
            #[cfg(test)]
            visits: 0,
        }
    }

    /// The best route, full or greedy, with its spans set.
    pub(super) fn run(&mut self, precedence: Precedence) -> Option<u32> {
        let full = match (precedence, needs_decoding(self.path)) {
            (Precedence::HttpApi, false) => self.start::<false, false>(),
            (Precedence::HttpApi, true) => self.start::<true, false>(),
            (Precedence::RestApi, false) => self.start::<false, true>(),
            (Precedence::RestApi, true) => self.start::<true, true>(),
        };
        if full.is_none() && self.greedy.is_some() {
            self.spans.copy_from(&self.greedy_spans, self.greedy_spans.count());
        }
        full.or(self.greedy)
    }

    /// The full match, in REST APIs the best match, at or below the node `index`, whose label ends at byte `at` of the path,
    /// with `captured` parameters so far. Calls itself once per segment that leaves a choice open,
    /// so at most [`super::SEGMENTS_COUNT_MAX`] deep whatever the client sends.
    fn descend<const ENCODED: bool, const REST: bool>(
        &mut self,
        mut index: u32,
        mut at: usize,
        mut captured: usize,
    ) -> Option<u32> {
        loop {
            let tree = self.tree;
            let node = tree.node(index)?;
            #[cfg(test)]
            {
                self.visits += 1;
            }
            if node.methods & self.method_bit == 0 {
                return None;
            }
            let start = match self.path.get(at) {
                Some(b'/') => at + 1,
                Some(_) => return None,
                None => {
                    let route = end_for(node.full, tree.full_ends(node), self.method_bit)?;
                    self.spans.keep(captured);
                    return Some(route);
                }
            };
            let end;
            if node.has_children {
                let seed = tree.seed_below(index);
                let segment = PathSegment::read::<ENCODED>(self.path, start, seed);
                end = segment.end;
                if let Some((child, passed)) = tree.child::<ENCODED>(index, &segment, self.path) {
                    if node.parameter == NONE && node.greedy_count == 0 {
                        (index, at) = (child, passed);
                        continue;
                    }
                    if let Some(route) = self.descend::<ENCODED, REST>(child, passed, captured) {
                        return Some(route);
                    }
                }
            } else {
                end = segment_end(self.path, start);
            }
            if let Some(parameter) = tree.node(node.parameter).filter(|_| start < end) {
                self.spans.set(captured, start, end);
                let passed = tree.pass_text::<ENCODED>(parameter, self.path, end);
                match passed {
                    Some(passed) if node.greedy_count == 0 => {
                        (index, at, captured) = (node.parameter, passed, captured + 1);
                        continue;
                    }
                    Some(passed) => {
                        let (child, captured) = (node.parameter, captured + 1);
                        let found = self.descend::<ENCODED, REST>(child, passed, captured);
                        if found.is_some() {
                            return found;
                        }
                    }
                    None => {}
                }
            }
            if REST {
                return self.take_greedy(node, start, captured);
            }
            self.note_greedy(node, start, captured);
            return None;
        }
    }

    fn start<const ENCODED: bool, const REST: bool>(&mut self) -> Option<u32> {
        let at = self.tree.pass_text::<ENCODED>(self.tree.node(0)?, self.path, 0)?;
        self.descend::<ENCODED, REST>(0, at, 0)
    }

    /// Keeps the greedy end of `node` for a rest from `at` on, unless a more specific one is kept
    /// already. The values are copied because the walk goes on and writes over them.
    fn note_greedy(&mut self, node: &Node, at: usize, captured: usize) {
        if self.greedy.is_some() {
            return;
        }
        self.greedy = self.take_greedy(node, at, captured);
        if self.greedy.is_some() {
            self.greedy_spans.copy_from(self.spans, captured + 1);
        }
    }

    /// The greedy end of `node` for a rest from `at` on, with its spans set.
    fn take_greedy(&mut self, node: &Node, at: usize, captured: usize) -> Option<u32> {
        if at >= self.path.len() {
            return None;
        }
        let route = end_for(node.greedy, self.tree.greedy_ends(node), self.method_bit)?;
        self.spans.set(captured, at, self.path.len());
        self.spans.keep(captured + 1);
        Some(route)
    }
}

/// The first end that takes the method of this bit; `first` is the first of `ends`.
#[inline]
fn end_for(first: End, ends: &[End], method_bit: u16) -> Option<u32> {
    if first.methods & method_bit != 0 {
        return Some(first.route);
    }
    ends.iter().find(|end| end.methods & method_bit != 0).map(|end| end.route)
}
