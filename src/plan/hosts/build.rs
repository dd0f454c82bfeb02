//! Builds the host table from the APIs of a model.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::{HostError, HostTable, Name, NamedStage, PathNode};
use crate::model::Api;
use crate::plan::host_name::HOST_BYTES_MAX;

/// Builds the table, or says which APIs are in each other's way.
pub(super) fn build(apis: &[Api]) -> Result<HostTable, Vec<HostError>> {
    let mut hosts = BTreeMap::<Host, Segments>::new();
    let mut errors = Vec::new();
    for (index, api) in (0..).zip(apis) {
        if api.hosts.is_empty() {
            errors.push(HostError {
                message: format!("API `{}` has no host; `*` stands for any", api.id),
                api_index: index,
                other_api_index: None,
            });
        }
        for text in &api.hosts {
            match Host::parse(text) {
                Ok(host) => {
                    let taken = hosts.entry(host).or_default().mount(api, index);
                    errors.extend(taken.map(|first| conflict(apis, first, index, text)));
                }
                Err(reason) => errors.push(HostError {
                    message: format!("API `{}`: host `{text}` {reason}", api.id),
                    api_index: index,
                    other_api_index: None,
                }),
            }
        }
    }
    if errors.is_empty() { Ok(flatten(hosts)) } else { Err(errors) }
}

fn conflict(apis: &[Api], first: u32, second: u32, host: &str) -> HostError {
    let api = |index: u32| &apis[index as usize];
    let message = if first == second {
        format!("API `{}` names host `{host}` twice", api(second).id)
    } else {
        format!(
            "APIs `{}` and `{}` both answer to host `{host}`, base path `{}`, stage `{}`",
            api(first).id,
            api(second).id,
            api(second).base_path,
            api(second).stage.name
        )
    };
    HostError { message, api_index: second, other_api_index: Some(first) }
}

/// A configured host.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Host {
    Exact(Box<[u8]>),
    /// With the dot.
    Suffix(Box<[u8]>),
    Any,
}

impl Host {
    /// The error continues "host `x` ...".
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let lower = text.to_ascii_lowercase();
        let bare = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let name = bare.unwrap_or(lower.strip_suffix('.').unwrap_or(&lower));
        if name.len() > HOST_BYTES_MAX {
            return Err("is longer than 253 bytes");
        }
        if let Some(suffix) = name.strip_prefix('*') {
            let is_suffix = suffix.len() > 1 && suffix.starts_with('.') && !suffix.contains('*');
            return if is_suffix {
                Ok(Self::Suffix(suffix.as_bytes().into()))
            } else {
                Err("must have its `*` alone or as the whole first label, as in `*.example.com`")
            };
        }
        match name {
            "" => Err("is empty"),
            _ if name.contains('*') => Err("may have a `*` as its first label only"),
            _ => Ok(Self::Exact(name.as_bytes().into())),
        }
    }
}

/// One segment of base paths while they are collected.
#[derive(Debug, Default)]
struct Segments {
    children: BTreeMap<Box<str>, Segments>,
    stages: BTreeMap<Box<str>, u32>,
}

impl Segments {
    /// Puts the API at its base path; answers which API has the same place already.
    fn mount(&mut self, api: &Api, index: u32) -> Option<u32> {
        let mut place = self;
        for segment in api.base_path.split('/').skip(1) {
            place = place.children.entry(segment.into()).or_default();
        }
        match place.stages.get(api.stage.name.as_str()) {
            Some(first) => Some(*first),
            None => {
                place.stages.insert(api.stage.name.as_str().into(), index);
                None
            }
        }
    }
}

#[derive(Debug, Default)]
struct Flat {
    nodes: Vec<PathNode>,
    stages: Vec<NamedStage>,
    names: Vec<u8>,
}

fn flatten(hosts: BTreeMap<Host, Segments>) -> HostTable {
    let mut flat = Flat::default();
    let mut exact = HashMap::default();
    let mut suffixes = HashMap::default();
    let mut any = None;
    let mut suffix_bytes_max = 0;
    for (host, segments) in hosts {
        let root = flat.add_tree(segments);
        match host {
            Host::Exact(name) => _ = exact.insert(name, root),
            Host::Suffix(suffix) => {
                suffix_bytes_max = suffix_bytes_max.max(suffix.len());
                suffixes.insert(suffix, root);
            }
            Host::Any => any = Some(root),
        }
    }
    HostTable {
        suffix_bytes_max,
        exact,
        suffixes,
        any,
        nodes: flat.nodes.into(),
        stages: flat.stages.into(),
        names: flat.names.into(),
    }
}

impl Flat {
    /// Level by level, so that children are neighbours.
    fn add_tree(&mut self, root: Segments) -> u32 {
        let root_index = dense(self.nodes.len());
        let mut waiting = VecDeque::from([(Box::<str>::default(), root)]);
        let mut seen = 1; // nodes that have got their place
        while let Some((segment, segments)) = waiting.pop_front() {
            let children_count = segments.children.len();
            let node = PathNode {
                segment: self.add_name(&segment),
                children_start: root_index + dense(seen),
                children_count: dense(children_count),
                stages_start: dense(self.stages.len()),
                stages_count: 0,
                default_stage: None,
            };
            let node = self.add_stages(node, segments.stages);
            self.nodes.push(node);
            seen += children_count;
            waiting.extend(segments.children);
        }
        root_index
    }

    fn add_stages(&mut self, mut node: PathNode, stages: BTreeMap<Box<str>, u32>) -> PathNode {
        for (name, stage_index) in stages {
            if &*name == "$default" {
                node.default_stage = Some(stage_index);
            } else {
                let name = self.add_name(&name);
                self.stages.push(NamedStage { name, stage_index });
                node.stages_count += 1;
            }
        }
        node
    }

    fn add_name(&mut self, text: &str) -> Name {
        let start = dense(self.names.len());
        self.names.extend_from_slice(text.as_bytes());
        Name { start, bytes: dense(text.len()) }
    }
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 base paths, stages and bytes of their names")
}
