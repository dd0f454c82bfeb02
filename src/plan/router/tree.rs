//! The radix tree in flat arrays, and the walk that finds a route in it.

use super::spans::PathSpans;
use crate::plan::symbol::{needs_decoding, pass_label, segment_end, symbol_at};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A radix tree over the bytes of path patterns.
///
/// A node's label is a run of literal bytes that may cross segments. Where a label ends on a `/`,
/// the node may have a parameter child, which is entered after one non-empty segment, and greedy
/// ends, which take the whole rest.
///
/// # Invariants
///
/// - Node 0 is the root; children have greater indexes than their parent.
/// - The static children of a node are neighbours, and their labels differ in the first byte.
/// - A parameter child or a greedy end only stands where the text so far ends with `/`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Box<[Node]>,
    /// Of each node its label, then the first bytes of its static children: one cache line
    /// serves the comparison and the choice of the child.
    pub(super) text: Box<[u8]>,
    /// Of each node its full ends, then its greedy ends; exact methods before ANY.
    pub(super) ends: Box<[End]>,
}

/// One node; two and a half fit a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) text_start: u32,
    pub(super) children_start: u32,
    /// The parameter child, or [`NONE`].
    pub(super) parameter: u32,
    pub(super) ends_start: u32,
    pub(super) label_bytes: u16,
    pub(super) children_count: u16,
    /// Methods of all ends at and below this node; prunes the walk.
    pub(super) methods: u16,
    pub(super) full_count: u8,
    pub(super) greedy_count: u8,
}

/// Where a route ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The methods that it takes, as bits.
    pub(super) methods: u16,
    /// Index of the route.
    pub(super) route: u32,
}

impl Tree {
    pub(super) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    pub(super) fn label(&self, node: &Node) -> &[u8] {
        let start = node.text_start as usize;
        self.text.get(start..start + usize::from(node.label_bytes)).unwrap_or_default()
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

    /// The static child whose label starts with `first`.
    #[inline]
    pub(super) fn child(&self, node: &Node, first: u8) -> Option<u32> {
        let start = node.text_start as usize + usize::from(node.label_bytes);
        let firsts = self.text.get(start..start + usize::from(node.children_count))?;
        let place = if firsts.len() <= 8 {
            firsts.iter().position(|one| *one == first)
        } else {
            memchr::memchr(first, firsts)
        };
        place.map(|place| node.children_start + place as u32)
    }
}

/// The first end that takes the method of this bit.
#[inline]
fn end_for(ends: &[End], method_bit: u16) -> Option<u32> {
    ends.iter().find(|end| end.methods & method_bit != 0).map(|end| end.route)
}

/// One lookup.
///
/// Depth first, static child before parameter child, so the first full match is the best one. A
/// node is a place in the patterns and is reached on one way only: no node is visited twice.
/// Greedy ends are taken on the way back, so the first one noted has the most specific prefix,
/// and it counts only if the whole walk finds no full match.
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
    pub(super) fn run(&mut self) -> Option<u32> {
        let full = if needs_decoding(self.path) {
            self.descend::<true>(0, 0, 0)
        } else {
            self.descend::<false>(0, 0, 0)
        };
        if full.is_none() && self.greedy.is_some() {
            self.spans.copy_from(&self.greedy_spans, self.greedy_spans.count());
        }
        full.or(self.greedy)
    }

    /// The full match at or below the node `index`, entered at byte `at` of the path with
    /// `captured` parameters so far. Calls itself once per segment that leaves a choice open, so
    /// at most [`super::SEGMENTS_COUNT_MAX`] deep whatever the client sends.
    fn descend<const ENCODED: bool>(
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
            at = pass_label::<ENCODED>(tree.label(node), self.path, at)?;
            let Some((first, _)) = self.symbol::<ENCODED>(at) else {
                let route = end_for(tree.full_ends(node), self.method_bit)?;
                self.spans.keep(captured);
                return Some(route);
            };
            let has_parameter = node.parameter != NONE && first != b'/';
            if let Some(child) = tree.child(node, first) {
                if !has_parameter && node.greedy_count == 0 {
                    index = child;
                    continue;
                }
                if let Some(route) = self.descend::<ENCODED>(child, at, captured) {
                    return Some(route);
                }
            }
            if has_parameter {
                let end = segment_end(self.path, at);
                self.spans.set(captured, at, end);
                if node.greedy_count == 0 {
                    (index, at, captured) = (node.parameter, end, captured + 1);
                    continue;
                }
                if let Some(route) = self.descend::<ENCODED>(node.parameter, end, captured + 1) {
                    return Some(route);
                }
            }
            self.note_greedy(node, at, captured);
            return None;
        }
    }

    #[inline]
    fn symbol<const ENCODED: bool>(&self, at: usize) -> Option<(u8, usize)> {
        if ENCODED {
            symbol_at(self.path, at)
        } else {
            self.path.get(at).map(|byte| (*byte, at + 1))
        }
    }

    /// Keeps the greedy end of `node`, unless a more specific one is kept already. The values
    /// are copied because the walk goes on and writes over them.
    fn note_greedy(&mut self, node: &Node, at: usize, captured: usize) {
        if self.greedy.is_some() {
            return;
        }
        let Some(route) = end_for(self.tree.greedy_ends(node), self.method_bit) else { return };
        self.greedy = Some(route);
        self.spans.set(captured, at, self.path.len());
        self.greedy_spans.copy_from(self.spans, captured + 1);
    }
}
