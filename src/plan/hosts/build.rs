//! Builds the host table from the APIs of a model.

use std::collections::{BTreeMap, HashMap};

use super::{HostError, HostTable, Mount, NamedStage};
use crate::model::Api;
use crate::plan::base_paths::{BasePathTree, BasePathsBuilder, dense};
use crate::plan::host_name::HOST_BYTES_MAX;

/// Builds the table, or says which APIs are in each other's way.
pub(super) fn build(apis: &[Api]) -> Result<HostTable, Vec<HostError>> {
    let mut hosts = BTreeMap::<Host, BasePathTree>::new();
    let mut mounts = Vec::new();
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
                    let tree = hosts.entry(host).or_default();
                    let taken = mount(api, index, tree, &mut mounts);
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
    if errors.is_empty() { Ok(flatten(hosts, mounts)) } else { Err(errors) }
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

/// Puts the API at its base path; answers which API has the same place already.
fn mount(api: &Api, index: u32, tree: &mut BasePathTree, mounts: &mut Vec<Mount>) -> Option<u32> {
    let place = *tree.mount(api.base_path.split('/').skip(1)).get_or_insert_with(|| {
        mounts.push(Mount::default());
        dense(mounts.len() - 1)
    });
    let mount = &mut mounts[place as usize];
    let name = api.stage.name.as_str();
    if name == "$default" {
        let first = mount.default_stage;
        mount.default_stage = first.or(Some(index));
        return first;
    }
    match mount.stages.binary_search_by(|one| (*one.name).cmp(name)) {
        Ok(first) => Some(mount.stages[first].stage_index),
        Err(at) => {
            mount.stages.insert(at, NamedStage { name: name.into(), stage_index: index });
            None
        }
    }
}

fn flatten(hosts: BTreeMap<Host, BasePathTree>, mounts: Vec<Mount>) -> HostTable {
    let mut table = HostTable { mounts: mounts.into(), ..HostTable::default() };
    let mut base_paths = BasePathsBuilder::default();
    let (mut exact, mut suffixes) = (HashMap::default(), HashMap::default());
    for (host, tree) in hosts {
        let root = base_paths.add(tree);
        match host {
            Host::Exact(name) => _ = exact.insert(name, root),
            Host::Suffix(suffix) => {
                table.suffix_bytes_max = table.suffix_bytes_max.max(suffix.len());
                suffixes.insert(suffix, root);
            }
            Host::Any => table.any = Some(root),
        }
    }
    HostTable { exact, suffixes, base_paths: base_paths.finish(), ..table }
}
