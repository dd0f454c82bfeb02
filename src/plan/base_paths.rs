//! Base paths: the longest one that a path starts with, by whole segments, compared
//! percent-decoded; the empty one is the catch-all.
//!
//! Many trees share one table of nodes. What a base path leads to is its owner's: here it is a
//! number.

use std::collections::{BTreeMap, VecDeque};

use super::symbol::{compare_segment, segment_after};

/// The trees of several owners, flat.
#[derive(Debug, Default)]
pub(super) struct BasePaths {
    nodes: Box<[Node]>,
    names: Box<[u8]>,
}

/// One segment. The children of a node are neighbours, sorted by segment.
#[derive(Clone, Copy, Debug)]
struct Node {
    name_start: u32,
    name_bytes: u32,
    children_start: u32,
    children_count: u32,
    /// What the base path that ends here leads to.
    mount: Option<u32>,
}

impl BasePaths {
    /// What the longest base path of the tree leads to, and where it ends in the path.
    pub(super) fn find(&self, root: u32, path: &[u8]) -> Option<(u32, usize)> {
        let mut node = self.nodes.get(root as usize)?;
        let mut at = 0;
        let mut found = node.mount.map(|mount| (mount, 0));
        while node.children_count > 0 {
            let Some((child, end)) = self.child(node, path, at) else { break };
            (node, at) = (child, end);
            found = node.mount.map(|mount| (mount, at)).or(found);
        }
        found
    }

    /// The segment below `node` that the path continues with, and where it ends.
    fn child(&self, node: &Node, path: &[u8], at: usize) -> Option<(&Node, usize)> {
        let (segment, end) = segment_after(path, at)?;
        let start = node.children_start as usize;
        let children = self.nodes.get(start..start + node.children_count as usize)?;
        let place = children
            .binary_search_by(|child| compare_segment(segment, self.name(child)).reverse())
            .ok()?;
        Some((children.get(place)?, end))
    }

    fn name(&self, node: &Node) -> &[u8] {
        let start = node.name_start as usize;
        self.names.get(start..start + node.name_bytes as usize).unwrap_or_default()
    }
}

/// A tree while its base paths are collected.
#[derive(Debug, Default)]
pub(super) struct BasePathTree {
    children: BTreeMap<Box<str>, Self>,
    mount: Option<u32>,
}

impl BasePathTree {
    /// What the base path leads to, to be set. `segments` are decoded.
    pub(super) fn mount<'a>(
        &mut self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> &mut Option<u32> {
        let mut place = self;
        for segment in segments {
            place = place.children.entry(segment.into()).or_default();
        }
        &mut place.mount
    }
}

/// Collects trees.
#[derive(Debug, Default)]
pub(super) struct BasePathsBuilder {
    nodes: Vec<Node>,
    names: Vec<u8>,
}

impl BasePathsBuilder {
    /// Adds a tree; answers with its root. Level by level, so that children are neighbours.
    pub(super) fn add(&mut self, tree: BasePathTree) -> u32 {
        let root = dense(self.nodes.len());
        let mut waiting = VecDeque::from([(Box::<str>::default(), tree)]);
        let mut seen = 1; // nodes that have got their place
        while let Some((segment, tree)) = waiting.pop_front() {
            let name_start = dense(self.names.len());
            self.names.extend_from_slice(segment.as_bytes());
            self.nodes.push(Node {
                name_start,
                name_bytes: dense(segment.len()),
                children_start: root + dense(seen),
                children_count: dense(tree.children.len()),
                mount: tree.mount,
            });
            seen += tree.children.len();
            waiting.extend(tree.children);
        }
        root
    }

    pub(super) fn finish(self) -> BasePaths {
        BasePaths { nodes: self.nodes.into(), names: self.names.into() }
    }
}

/// An index of a table that is held in memory.
pub(super) fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 base paths, stages and bytes of their names")
}
