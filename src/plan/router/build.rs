//! Builds the radix tree from route keys.

use super::draft::Drafts;
use super::patterns::Patterns;
use super::tree::Tree;
use super::{Precedence, RouterError, SEGMENTS_COUNT_MAX};
use crate::base::limits::PATH_PARAMETERS_MAX;
use crate::model::{PathPattern, RouteKey, Segment};
use crate::plan::key_text::route_key_text;

/// What route keys become.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) tree: Tree,
    pub(super) default_route: Option<u32>,
    pub(super) visits_max: u32,
}

/// Builds the tree of `keys`, or says everything that is wrong with them.
pub(super) fn build(keys: &[RouteKey], precedence: Precedence) -> Result<Built, Vec<RouterError>> {
    let mut errors = Vec::new();
    let mut default_route = None;
    let mut patterns = Patterns::new(precedence.methods_any());
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
    errors.extend(patterns.conflicts().map(|(first, second)| conflict(keys, first, second)));
    if !errors.is_empty() {
        errors.sort_by_key(RouterError::route_index);
        return Err(errors);
    }
    let drafts = Drafts::of(&patterns);
    Ok(Built { tree: drafts.place(), default_route, visits_max: drafts.visits_max() })
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
