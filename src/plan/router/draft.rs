//! The tree before its nodes have their places, and the giving of places.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use ahash::AHashMap;

use super::patterns::Patterns;
use super::segment::PathSegment;
use super::tree::{End, Node, Tree, home, seed_below};
use crate::plan::symbol::{GREEDY, PARAMETER};

/// So that most nodes lie at their home, and every search comes to a free place.
const PLACES_PER_NODE: usize = 2;
/// How far from its home a node may lie before another seed is tried; with a million nodes and a
/// fair seed it is about 70 at most.
const DISTANCE_MAX: usize = 128;
/// After so many seeds the last one stays: it costs time, and nothing else.
const SEEDS_COUNT: usize = 8;

/// The nodes of a tree, parents before their children.
#[derive(Debug)]
pub(super) struct Drafts<'patterns> {
    patterns: &'patterns Patterns,
    drafts: Vec<Draft<'patterns>>,
    text: Vec<u8>,
    texts: AHashMap<&'patterns [u8], u32>,
    ends: Vec<End>,
}

/// A node, but for its place and those of its parent and its parameter child.
#[derive(Debug)]
struct Draft<'patterns> {
    /// The patterns at and below it, which agree in their first `depth` symbols.
    run: Range<usize>,
    depth: usize,
    parent: Option<usize>,
    kind: Kind,
    label: &'patterns [u8],
    node: Node,
}

/// How a node is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// By its index: the root and parameter children.
    Indexed,
    /// By hashing its first segment.
    Hashed,
}

/// Where the nodes of one try lie.
struct Places {
    nodes: Box<[Node]>,
    distance_max: usize,
}

impl<'patterns> Drafts<'patterns> {
    pub(super) fn of(patterns: &'patterns Patterns) -> Self {
        let (drafts, ends, text) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Self { patterns, drafts, text, texts: AHashMap::new(), ends };
        if !patterns.sorted.is_empty() {
            all.push(0..patterns.sorted.len(), 0, None, Kind::Indexed);
        }
        let mut next = 0;
        while next < all.drafts.len() {
            all.fill(next);
            next += 1;
        }
        all
    }

    /// The tree, with a seed under which no node lies far from its home. Seeds are drawn, so that
    /// nobody can write routes that collide.
    pub(super) fn place(&self) -> Tree {
        let mut seed = 0;
        let mut nodes = None;
        for _ in 0..SEEDS_COUNT {
            seed = RandomState::new().hash_one(());
            let places = self.try_places(seed);
            nodes = Some(places.nodes);
            if places.distance_max <= DISTANCE_MAX {
                break;
            }
        }
        Tree {
            nodes: nodes.unwrap_or_default(),
            seed,
            text: self.text.as_slice().into(),
            ends: self.ends.as_slice().into(),
        }
    }

    /// The most nodes that any one lookup enters: below a node its parameter child and one static
    /// child. The bound is for the worst path and method; most lookups enter far fewer.
    pub(super) fn visits_max(&self) -> u32 {
        // Of each node the most visits of a static child and of its parameter child.
        let mut below = vec![(0_u32, 0_u32); self.drafts.len()];
        let mut visits = 0;
        for (index, draft) in self.drafts.iter().enumerate().rev() {
            let (hashed, indexed) = below[index];
            visits = 1_u32.saturating_add(hashed).saturating_add(indexed);
            let Some(parent) = draft.parent else { continue };
            match draft.kind {
                Kind::Hashed => below[parent].0 = below[parent].0.max(visits),
                Kind::Indexed => below[parent].1 = visits,
            }
        }
        visits
    }

    fn push(&mut self, run: Range<usize>, depth: usize, parent: Option<usize>, kind: Kind) {
        let label = shared_label(self.patterns, &run, depth);
        self.drafts.push(Draft { run, depth, parent, kind, label, node: Node::FREE });
    }

    /// Completes a node, and begins those below it.
    fn fill(&mut self, index: usize) {
        let patterns = self.patterns;
        let Draft { run, depth, kind, label, .. } = &self.drafts[index];
        let (run, depth, kind, label) = (run.clone(), depth + label.len(), *kind, *label);
        let full_end = run.clone().find(|index| patterns.of(*index).len() > depth);
        let full = run.start..full_end.unwrap_or(run.end);
        let mut node = self.labelled(label, kind);
        let methods = patterns.sorted[run.clone()].iter().map(|pattern| pattern.methods);
        node.methods = methods.fold(0, |all, one| all | one);
        node.ends_start = dense(self.ends.len());
        (node.full, node.full_count) = self.push_ends(full.clone());
        let mut rest = full.end..run.end;
        while let Some(first) = rest.clone().next().map(|index| segment_of(patterns, index, depth))
        {
            let end = rest.clone().find(|index| segment_of(patterns, *index, depth) != first);
            let group = rest.start..end.unwrap_or(rest.end);
            rest.start = group.end;
            match first {
                [GREEDY] => (node.greedy, node.greedy_count) = self.push_ends(group),
                [PARAMETER] => self.push(group, depth + 2, Some(index), Kind::Indexed),
                _ => {
                    node.has_children = true;
                    self.push(group, depth, Some(index), Kind::Hashed);
                }
            }
        }
        self.drafts[index].node = node;
    }

    /// A node with this label and nothing else.
    fn labelled(&mut self, label: &'patterns [u8], kind: Kind) -> Node {
        let mut node = Node::FREE;
        let text = match kind {
            Kind::Indexed => label,
            Kind::Hashed => {
                let segment = PathSegment::read::<false>(label, 1, 0);
                node.head = segment.head;
                node.segment_bytes = short(segment.bytes);
                &label[segment.head_end..]
            }
        };
        node.text_bytes = short(text.len());
        node.text_start = *self.texts.entry(text).or_insert_with(|| {
            self.text.extend_from_slice(text);
            dense(self.text.len() - text.len())
        });
        node
    }

    /// Appends the ends of these patterns: the first of them, and how many they are.
    fn push_ends(&mut self, run: Range<usize>) -> (End, u8) {
        let patterns = self.patterns.sorted[run].iter();
        let start = self.ends.len();
        self.ends.extend(patterns.map(|one| End { methods: one.methods, route: one.route }));
        let ends = &self.ends[start..];
        // Ends of one place differ in their methods, so there are few.
        let count = u8::try_from(ends.len()).expect("conflicts were refused: one end per method");
        (ends.first().copied().unwrap_or_default(), count)
    }

    /// Gives each node its place. A parameter child lies as near to its parent as it can: in the
    /// same page, and often in the line that the processor fetches with it.
    fn try_places(&self, seed: u64) -> Places {
        let mut nodes = vec![Node::FREE; PLACES_PER_NODE * self.drafts.len()].into_boxed_slice();
        let mut indexes: Vec<u32> = Vec::with_capacity(self.drafts.len());
        let mut distance_max = 0;
        for draft in &self.drafts {
            let parent = draft.parent.map_or(0, |parent| indexes[parent]);
            let home = match draft.kind {
                Kind::Indexed => parent as usize,
                Kind::Hashed => {
                    let seed = seed_below(seed, parent);
                    home(PathSegment::read::<false>(draft.label, 1, seed).hash, nodes.len())
                }
            };
            let (place, distance) = free_place(&nodes, home);
            let index = dense(place);
            nodes[place] = draft.node;
            if draft.kind == Kind::Hashed {
                nodes[place].parent = parent;
                distance_max = distance_max.max(distance);
            } else if draft.parent.is_some() {
                nodes[parent as usize].parameter = index;
            }
            indexes.push(index);
        }
        Places { nodes, distance_max }
    }
}

/// The first free place from `home` on, and how far it is.
fn free_place(nodes: &[Node], home: usize) -> (usize, usize) {
    let (before, from_home) = (&nodes[..home], &nodes[home..]);
    let distance = from_home
        .iter()
        .chain(before)
        .position(Node::is_free)
        .expect("there are more places than nodes");
    ((home + distance) % nodes.len(), distance)
}

/// The whole segments that all patterns of the run share from `depth` on, up to a parameter.
fn shared_label<'patterns>(
    patterns: &'patterns Patterns,
    run: &Range<usize>,
    depth: usize,
) -> &'patterns [u8] {
    // The run is sorted: what its first and last share, all share.
    let first = &patterns.of(run.start)[depth..];
    let last = &patterns.of(run.end - 1)[depth..];
    let shared = first
        .iter()
        .zip(last)
        .take_while(|(one, other)| one == other && **one != PARAMETER && **one != GREEDY)
        .count();
    let ends_segment = |at: usize| [first, last].iter().all(|one| one.get(at).is_none_or(is_slash));
    let whole = (0..=shared).rev().find(|at| ends_segment(*at));
    &first[..whole.unwrap_or(0)]
}

/// The segment of a pattern that follows the `/` at `depth`.
fn segment_of(patterns: &Patterns, index: usize, depth: usize) -> &[u8] {
    let rest = &patterns.of(index)[depth + 1..];
    &rest[..rest.iter().position(is_slash).unwrap_or(rest.len())]
}

const fn is_slash(symbol: &u8) -> bool {
    *symbol == b'/'
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 nodes, ends and bytes of patterns")
}

fn short(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("patterns are at most u16::MAX long")
}
