//! Endpoints that integrations name by URL, as target groups.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::control::management::DeployedStore;
use crate::model::{Balance, RetryPolicy, Target, TargetAddress, TargetGroup, TargetProtocol};
use crate::plan::deployed::{Origin, OriginTls};
use crate::tls::{
    Alpn, CertificateMaterial, Clock, SecurityPolicy, ServerRoots, UpstreamTls, UpstreamTlsOptions,
};

/// The endpoints in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    /// By name.
    known: BTreeMap<String, Known>,
    /// What TLS was loaded for: most endpoints are reached in the same way.
    loaded: BTreeMap<(String, OriginTls), Arc<UpstreamTls>>,
}

#[derive(Clone, Debug)]
struct Known {
    group: Arc<TargetGroup>,
    tls: Option<Arc<UpstreamTls>>,
}

impl Origins {
    /// Keeps what is needed, by the region that needs it, and no more.
    pub(super) fn follow<'o>(
        &mut self,
        needed: impl Iterator<Item = (&'o str, &'o Origin)>,
        store: Option<&DeployedStore>,
    ) {
        let mut before = std::mem::take(&mut self.known);
        for (region, origin) in needed {
            let name = origin.name();
            if self.known.contains_key(&name) {
                continue;
            }
            let known = before.remove(&name).unwrap_or_else(|| Known {
                group: Arc::new(target_group(&name, origin)),
                tls: self.load(region, origin, store),
            });
            self.known.insert(name, known);
        }
        let known = &self.known;
        let is_used = |tls: &Arc<UpstreamTls>| {
            known.values().any(|one| one.tls.as_ref().is_some_and(|own| Arc::ptr_eq(own, tls)))
        };
        self.loaded.retain(|_, tls| is_used(tls));
    }

    fn load(
        &mut self,
        region: &str,
        origin: &Origin,
        store: Option<&DeployedStore>,
    ) -> Option<Arc<UpstreamTls>> {
        let tls = origin.tls.as_ref()?;
        let of_region = tls.client_certificate_id.as_ref().map_or("", |_| region);
        let key = (of_region.to_owned(), tls.clone());
        if let Some(loaded) = self.loaded.get(&key) {
            return Some(Arc::clone(loaded));
        }
        let certificate = tls.client_certificate_id.as_deref().zip(store);
        let certificate =
            certificate.and_then(|(id, store)| store.load_client_certificate(region, id).ok()?);
        let options = UpstreamTlsOptions {
            roots: ServerRoots::System,
            server_name: tls.server_name.as_deref().map(str::to_owned),
            insecure_skip_verification: tls.is_insecure,
            client_certificate: certificate.map(CertificateMaterial::Text),
            policy: SecurityPolicy::DEFAULT,
            alpn: vec![Alpn::Http11],
        };
        let clock = Clock::system();
        let loaded = UpstreamTls::load(&options, &clock).or_else(|problem| {
            tracing::warn!(%problem, "the roots of this machine cannot be used; Mozilla's are");
            UpstreamTls::load(
                &UpstreamTlsOptions { roots: ServerRoots::Mozilla, ..options },
                &clock,
            )
        });
        match loaded {
            Ok(loaded) => {
                let tls = Arc::new(loaded.value);
                self.loaded.insert(key, Arc::clone(&tls));
                Some(tls)
            }
            Err(problem) => {
                tracing::error!(%problem, endpoint = origin.name(), "TLS cannot be used");
                None
            }
        }
    }

    /// All of them, in the order of their names.
    pub(super) fn groups(&self) -> Vec<Arc<TargetGroup>> {
        self.known.values().map(|known| Arc::clone(&known.group)).collect()
    }

    /// How those with TLS are reached, by name.
    pub(super) fn upstreams(&self) -> BTreeMap<String, Arc<UpstreamTls>> {
        let with_tls = self.known.iter();
        with_tls
            .filter_map(|(name, known)| Some((name.clone(), Arc::clone(known.tls.as_ref()?))))
            .collect()
    }
}

/// The group of one endpoint, with the settings that `[[upstream]]` has by itself, but for what AWS
/// does otherwise: nothing is sent twice.
fn target_group(name: &str, origin: &Origin) -> TargetGroup {
    let bare = origin.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(&origin.host);
    let address = match host.parse::<IpAddr>() {
        Ok(ip) => TargetAddress::Socket((ip, origin.port).into()),
        Err(_) => TargetAddress::Name { host: host.to_owned(), port: origin.port },
    };
    TargetGroup {
        name: name.to_owned(),
        targets: vec![Target { address, weight: 1 }],
        balance: Balance::RoundRobin,
        protocol: TargetProtocol::Http1,
        grpc_web: false,
        preserve_host: false,
        connect_timeout_ms: 5_000,
        idle_timeout_ms: 30_000,
        total_timeout_ms: 0,
        keepalive_timeout_ms: 60_000,
        keepalive_connections_max: 256,
        keepalive_requests_max: 0,
        outstanding_per_shard_max: 10_000,
        // One that has a dead address among others is reached all the same.
        retry: RetryPolicy {
            attempts_max: 1,
            sends_again: false,
            budget_percent: 20,
            on_gateway_status: false,
        },
        health: None,
        outlier: None,
        slow_start_ms: 0,
        dns_ttl_ms_max: 60_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str, port: u16) -> Origin {
        Origin { host: host.into(), port, tls: None }
    }

    #[test]
    fn endpoints_are_groups_that_stay_while_they_are_needed() {
        let (first, second) = (origin("a.example", 80), origin("[::1]", 8080));
        let mut origins = Origins::default();
        origins.follow([("r", &first), ("r", &first), ("s", &second)].into_iter(), None);
        let before = origins.groups();
        assert_eq!(before.len(), 2);
        let address =
            &before.iter().find(|group| group.name.contains("::1")).expect("it").targets[0];
        assert_eq!(address.address, TargetAddress::Socket("[::1]:8080".parse().expect("one")));
        origins.follow([("r", &first)].into_iter(), None);
        let after = origins.groups();
        assert_eq!(after.len(), 1);
        assert!(before.iter().any(|group| Arc::ptr_eq(group, &after[0])));
    }

    #[test]
    fn endpoints_that_are_reached_in_the_same_way_share_it() {
        let tls = Some(OriginTls::default());
        let names = ["a.example", "b.example"];
        let all = names.map(|host| Origin { tls: tls.clone(), ..origin(host, 443) });
        let mut origins = Origins::default();
        origins.follow(all.iter().map(|one| ("r", one)), None);
        let upstreams: Vec<_> = origins.upstreams().into_values().collect();
        assert!(Arc::ptr_eq(&upstreams[0], &upstreams[1]));
        assert_eq!(origins.loaded.len(), 1);
        origins.follow(std::iter::empty(), None);
        assert!(origins.loaded.is_empty());
    }
}
