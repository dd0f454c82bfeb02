//! Loads the files that the model's TLS names. Reads files, so it runs where blocking is no harm.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Model, TicketKeySource, Tls};
use crate::plan::TlsPlan;
use crate::tls::{
    Clock, DomainPart, DomainProblem, Loaded, ServerTls, TicketKeys, TlsProblem, UpstreamTls,
};

/// All of TLS, loaded.
#[derive(Debug)]
pub struct TlsInForce {
    /// What listeners with TLS answer by.
    pub server: ServerTls,
    /// The keys of session tickets; to be rotated by whoever keeps this.
    pub ticket_keys: Arc<TicketKeys>,
    /// How target groups with TLS are reached, by name.
    pub upstreams: BTreeMap<String, Arc<UpstreamTls>>,
}

/// What of the model a problem is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TlsPart {
    /// The file of ticket keys.
    TicketKeys,
    /// A part of a domain, by index.
    Domain(usize, DomainPart),
    /// A target group, by index.
    Group(usize),
}

impl TlsInForce {
    /// Loads everything; reports every problem. Goes on with the keys of `before`, the ones in
    /// force, if they come from where the model says: else a reload would end every session.
    pub fn load(
        model: &Model,
        before: Option<&Arc<TicketKeys>>,
        clock: &Clock,
    ) -> Result<Loaded<Self>, Vec<(TlsPart, TlsProblem)>> {
        let mut warnings = Vec::new();
        let mut problems = Vec::new();
        let ticket_keys = match load_ticket_keys(&model.tls, before, &mut warnings) {
            Ok(keys) => keys,
            Err(problem) => {
                problems.push((TlsPart::TicketKeys, problem));
                // Stands in, so that the domains can be loaded and their problems reported.
                Arc::new(TicketKeys::random(0).map_err(|error| vec![(TlsPart::TicketKeys, error)])?)
            }
        };
        let domains: Vec<_> =
            model.tls.domains.iter().map(|domain| domain.options.clone()).collect();
        let server = match ServerTls::load(&domains, &ticket_keys, clock) {
            Ok(loaded) => {
                warnings.extend(loaded.warnings);
                loaded.value
            }
            Err(found) => {
                let part =
                    |one: DomainProblem| (TlsPart::Domain(one.domain, one.part), one.problem);
                problems.extend(found.into_iter().map(part));
                ServerTls::default()
            }
        };
        let upstreams = load_upstreams(model, clock, &mut warnings, &mut problems);
        match problems.is_empty() {
            true => Ok(Loaded { value: Self { server, ticket_keys, upstreams }, warnings }),
            false => Err(problems),
        }
    }

    /// What of it a plan for `model` holds. Tells the process log of targets that are believed
    /// whoever issued their certificates.
    pub(crate) fn plan(self, model: &Model) -> TlsPlan {
        for (group, _) in self.upstreams.iter().filter(|(_, tls)| tls.is_insecure()) {
            tracing::warn!(
                group,
                "INSECURE: targets are believed whoever issued their certificates"
            );
        }
        let headers: Arc<[_]> =
            model.tls.domains.iter().map(|domain| domain.certificate_headers.clone()).collect();
        let mut names: Vec<Box<str>> = headers
            .iter()
            .flat_map(|one| [&one.certificate, &one.subject])
            .filter_map(|name| name.as_deref().map(Box::from))
            .collect();
        names.sort_unstable();
        names.dedup();
        TlsPlan {
            server: Arc::new(self.server),
            certificate_headers: headers,
            certificate_header_names: names.into(),
            listeners: model.tls.listeners.clone(),
            redirects: model.tls.redirects.clone(),
            upstreams: self.upstreams,
        }
    }
}

/// Loads the TLS of `model` with the ticket keys of `before`, if they may stay. Tells the process
/// log what is odd.
pub(crate) fn load_tls(
    model: &Model,
    before: Option<&Arc<TicketKeys>>,
) -> Result<TlsInForce, Vec<(TlsPart, TlsProblem)>> {
    let Loaded { value, warnings } = TlsInForce::load(model, before, &Clock::system())?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(value)
}

fn load_ticket_keys(
    tls: &Tls,
    before: Option<&Arc<TicketKeys>>,
    warnings: &mut Vec<TlsProblem>,
) -> Result<Arc<TicketKeys>, TlsProblem> {
    let lifetime_seconds = u32::try_from(tls.ticket_rotation_ms / 1_000).unwrap_or(u32::MAX);
    let is_same = |keys: &&Arc<TicketKeys>| {
        keys.lifetime_seconds() == lifetime_seconds
            && match &tls.ticket_keys {
                TicketKeySource::Random => keys.file().is_none(),
                // Read anew: the domains of this load get the keys that the file has now.
                TicketKeySource::File(_) => false,
            }
    };
    if let Some(keys) = before.filter(is_same) {
        return Ok(Arc::clone(keys));
    }
    match &tls.ticket_keys {
        TicketKeySource::Random => TicketKeys::random(lifetime_seconds).map(Arc::new),
        TicketKeySource::File(path) => {
            let loaded = TicketKeys::from_file(path, lifetime_seconds)?;
            warnings.extend(loaded.warnings);
            Ok(Arc::new(loaded.value))
        }
    }
}

fn load_upstreams(
    model: &Model,
    clock: &Clock,
    warnings: &mut Vec<TlsProblem>,
    problems: &mut Vec<(TlsPart, TlsProblem)>,
) -> BTreeMap<String, Arc<UpstreamTls>> {
    let mut upstreams = BTreeMap::new();
    for (index, group) in model.target_groups.iter().enumerate() {
        let Some(options) = model.tls.upstreams.get(&group.name) else { continue };
        match UpstreamTls::load(options, clock) {
            Ok(loaded) => {
                let named = |problem: TlsProblem| TlsProblem {
                    message: format!("upstream {}: {}", group.name, problem.message),
                    ..problem
                };
                warnings.extend(loaded.warnings.into_iter().map(named));
                upstreams.insert(group.name.clone(), Arc::new(loaded.value));
            }
            Err(problem) => problems.push((TlsPart::Group(index), problem)),
        }
    }
    upstreams
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(model: &Model, before: Option<&Arc<TicketKeys>>) -> Arc<TicketKeys> {
        let loaded = TlsInForce::load(model, before, &Clock::fixed(0));
        loaded.expect("nothing is asked of it").value.ticket_keys
    }

    #[test]
    fn a_reload_goes_on_with_the_keys_that_it_may_keep() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, "ab".repeat(32)).expect("written");
        let mut model = Model::default();
        model.tls.ticket_rotation_ms = 60_000;
        let first = load(&model, None);
        let second = load(&model, Some(&first));
        assert!(Arc::ptr_eq(&first, &second), "sessions go on");
        model.tls.ticket_rotation_ms = 120_000;
        assert!(!Arc::ptr_eq(&first, &load(&model, Some(&first))), "another lifetime");
        model.tls.ticket_keys = TicketKeySource::File(path.clone());
        let of_file = load(&model, Some(&first));
        assert_eq!(of_file.file(), Some(path.as_path()));
        model.tls.ticket_keys = TicketKeySource::Random;
        assert!(load(&model, Some(&of_file)).file().is_none(), "no key of the file is kept");
    }
}
