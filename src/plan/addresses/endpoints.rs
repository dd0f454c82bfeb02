//! Default endpoints: APIs by id, and their stages by name.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use super::{AddressForm, AddressRefusal, Found};
use crate::model::ApiProtocol;
use crate::plan::symbol::{compare_segment, segment_after};

/// APIs with their stages.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// Ids to the first API of that id.
    pub(super) ids: HashMap<Box<[u8]>, u32, ahash::RandomState>,
    pub(super) apis: Box<[ApiEntry]>,
    /// Those of an API are neighbours, sorted by name.
    pub(super) stages: Box<[StageEntry]>,
}

/// An API of a region.
#[derive(Debug)]
pub(super) struct ApiEntry {
    pub(super) region: Box<str>,
    pub(super) protocol: ApiProtocol,
    pub(super) stages: Range<u32>,
    /// Index of its stage `$default`.
    pub(super) default_stage: Option<u32>,
    /// The API with the same id in another region.
    pub(super) next: Option<u32>,
}

/// A stage with what is asked before it is reached.
#[derive(Debug)]
pub(super) struct StageEntry {
    pub(super) name: Box<str>,
    pub(super) stage_index: u32,
    pub(super) is_disabled: bool,
    pub(super) is_private: bool,
    pub(super) is_strict: bool,
}

/// What a mapping or a rule leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// A stage, by its place in the table.
    Stage(u32),
    /// The stage of this API that the path names.
    Named(u32),
    /// Nothing that is deployed.
    Nothing,
}

impl Endpoints {
    /// The API of this id; in any region if none is named.
    pub(super) fn api(&self, id: &[u8], region: Option<&[u8]>) -> Option<u32> {
        let first = *self.ids.get(id)?;
        let Some(region) = region else { return Some(first) };
        let mut next = Some(first);
        while let Some(index) = next {
            let api = self.apis.get(index as usize)?;
            if api.region.as_bytes() == region {
                return Some(index);
            }
            next = api.next;
        }
        None
    }

    /// The stage with exactly this name, by its place in the table.
    pub(super) fn stage_named(&self, api: u32, name: &str) -> Option<u32> {
        let api = self.apis.get(api as usize)?;
        let place = self.place(api, |one| name.cmp(one))?;
        Some(api.stages.start + place)
    }

    pub(super) fn find_by_host(
        &self,
        host: &EndpointHost<'_>,
        id: &[u8],
        path: &[u8],
    ) -> Result<Found<'_>, AddressRefusal> {
        let api = self.api(id, host.region).ok_or(AddressRefusal::UnknownApi)?;
        let api = self.apis.get(api as usize).ok_or(AddressRefusal::UnknownApi)?;
        let (stage, end) = self.stage_in_path(api, path, 0)?;
        if host.is_private && !stage.is_private {
            return Err(AddressRefusal::UnknownApi);
        }
        Ok(Found { stage, protocol: api.protocol, end, form: AddressForm::DefaultHost })
    }

    pub(super) fn find_by_path(
        &self,
        address: &EndpointPath<'_>,
        path: &[u8],
    ) -> Result<Found<'_>, AddressRefusal> {
        let api = self.api(address.api_id, None).ok_or(AddressRefusal::UnknownApi)?;
        let api = self.apis.get(api as usize).ok_or(AddressRefusal::UnknownApi)?;
        let (stage, end) = match address.stage {
            Some((name, end)) => (self.stage_of_segment(api, name)?, end),
            None => self.stage_in_path(api, path, address.end)?,
        };
        Ok(Found { stage, protocol: api.protocol, end, form: AddressForm::Path })
    }

    /// The stage that a mapping or a rule leads to, and where its address ends in the path.
    pub(super) fn stage_of(
        &self,
        target: Target,
        path: &[u8],
        at: usize,
    ) -> Result<(&StageEntry, usize), AddressRefusal> {
        match target {
            Target::Stage(index) => {
                let stage = self.stages.get(index as usize);
                Ok((stage.ok_or(AddressRefusal::NoMapping)?, at))
            }
            Target::Named(index) => {
                let api = self.apis.get(index as usize).ok_or(AddressRefusal::NoMapping)?;
                self.stage_in_path(api, path, at)
            }
            Target::Nothing => Err(AddressRefusal::NoMapping),
        }
    }

    /// The stage that the next segment names, else `$default`, which takes none.
    fn stage_in_path(
        &self,
        api: &ApiEntry,
        path: &[u8],
        at: usize,
    ) -> Result<(&StageEntry, usize), AddressRefusal> {
        let named = segment_after(path, at).and_then(|(segment, end)| {
            let place = self.place(api, |name| compare_segment(segment, name.as_bytes()))?;
            // It is served from the base, and its name is no part of any address of a host.
            let index = api.stages.start + place;
            (api.default_stage != Some(index)).then_some((index, end))
        });
        let found = named.or_else(|| Some((api.default_stage?, at)));
        found
            .and_then(|(index, end)| Some((self.stages.get(index as usize)?, end)))
            .ok_or(AddressRefusal::NoSuchStage { protocol: api.protocol })
    }

    /// The stage of this name, `$default` too.
    fn stage_of_segment(
        &self,
        api: &ApiEntry,
        segment: &[u8],
    ) -> Result<&StageEntry, AddressRefusal> {
        self.place(api, |name| compare_segment(segment, name.as_bytes()))
            .and_then(|place| self.stages.get((api.stages.start + place) as usize))
            .ok_or(AddressRefusal::NoSuchStage { protocol: api.protocol })
    }

    /// The place among the API's stages of the one that is equal. `compare` says how what is
    /// looked for sorts against a name.
    fn place(&self, api: &ApiEntry, compare: impl Fn(&str) -> Ordering) -> Option<u32> {
        let stages = self.stages.get(api.stages.start as usize..api.stages.end as usize)?;
        let place = stages.binary_search_by(|one| compare(&one.name).reverse()).ok()?;
        u32::try_from(place).ok()
    }
}

/// `{api}.execute-api.{region}.{anything}`, lower case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct EndpointHost<'a> {
    /// `None` where the host is a private endpoint's own, which serves many APIs.
    pub(super) api_id: Option<&'a [u8]>,
    /// `None` where the label is no region's name: a host of a machine's own, such as
    /// `{api}.execute-api.localhost`.
    pub(super) region: Option<&'a [u8]>,
    /// Whether it names a private endpoint.
    pub(super) is_private: bool,
}

impl<'a> EndpointHost<'a> {
    /// Parses the name; `None` if it is another host's.
    pub(super) fn parse(name: &'a [u8]) -> Option<Self> {
        let dot = memchr::memchr(b'.', name)?;
        let (label, rest) = (name.get(..dot)?, name.get(dot + 1..)?);
        let rest = rest.strip_prefix(b"execute-api.").filter(|rest| !rest.is_empty())?;
        let region = rest.get(..memchr::memchr(b'.', rest).unwrap_or(rest.len()))?;
        let region = is_region(region).then_some(region);
        let (api_id, is_private) = match memchr::memmem::find(label, b"vpce-") {
            Some(0) => (None, true),
            Some(at) if label.get(at - 1) == Some(&b'-') => (label.get(..at - 1), true),
            _ => (Some(label), false),
        };
        Some(Self { api_id, region, is_private })
    }
}

/// Whether it has the form of a region's name: `us-east-1`, `us-gov-west-1`.
fn is_region(label: &[u8]) -> bool {
    let mut parts = label.split(|byte| *byte == b'-').rev();
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let is_word = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_lowercase);
    parts.next().is_some_and(is_number) && parts.clone().count() >= 2 && parts.all(is_word)
}

/// A path that names an API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct EndpointPath<'a> {
    pub(super) api_id: &'a [u8],
    /// The segment of the stage where the form has to have one, and where the address ends.
    pub(super) stage: Option<(&'a [u8], usize)>,
    /// Where the id ends.
    pub(super) end: usize,
}

impl<'a> EndpointPath<'a> {
    /// Parses the path; `None` if it has neither form.
    pub(super) fn parse(path: &'a [u8]) -> Option<Self> {
        if path.starts_with(EXECUTE_API) {
            let (api_id, end) = segment_after(path, EXECUTE_API.len() - 1)?;
            let named = segment_after(path, end);
            // The one stage that no host names by its name.
            let stage = named.filter(|(name, _)| compare_segment(name, b"$default").is_eq());
            return (!api_id.is_empty()).then_some(Self { api_id, stage, end });
        }
        if !path.starts_with(REST_APIS) {
            return None;
        }
        let (api_id, end) = segment_after(path, REST_APIS.len() - 1)?;
        let (name, stage_end) = segment_after(path, end)?;
        let (marker, marker_end) = segment_after(path, stage_end)?;
        (marker == b"_user_request_").then_some(Self {
            api_id,
            stage: Some((name, marker_end)),
            end,
        })
    }
}

const EXECUTE_API: &[u8] = b"/_aws/execute-api/";
const REST_APIS: &[u8] = b"/restapis/";
