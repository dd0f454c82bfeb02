//! `MethodSetting`: what a stage sets for its methods.

use crate::model::fields::{Fields, Result};
use crate::model::named::named;
use crate::model::{LoggingLevel, RouteMethod, Throttle};

/// Settings of the methods that one key names.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodSettings {
    /// The limit of each method alone; `None` sets none of its own.
    pub throttle: Option<Throttle>,
    /// Whether metrics are kept for each method.
    pub metrics_enabled: bool,
    /// What execution logs hold.
    pub logging_level: LoggingLevel,
    /// Whether execution logs hold whole requests and answers.
    pub data_trace_enabled: bool,
    /// Whether answers are cached, if the stage has a cache.
    pub caching_enabled: bool,
    /// How long; zero caches nothing.
    pub cache_ttl_s: u32,
    /// Whether what is cached is encrypted.
    pub cache_data_encrypted: bool,
    /// Whether a caller must be allowed to invalidate.
    pub require_authorization_for_cache_control: bool,
    /// What a caller gets that is not.
    pub unauthorized_cache_control_header_strategy: UnauthorizedCacheControlHeaderStrategy,
}

named! {
    /// What a caller gets that wants to invalidate the cache and may not.
    pub enum UnauthorizedCacheControlHeaderStrategy {
        /// 403.
        FailWith403 = "FAIL_WITH_403",
        /// The cached answer, with a warning.
        SucceedWithResponseHeader = "SUCCEED_WITH_RESPONSE_HEADER",
        /// The cached answer.
        SucceedWithoutResponseHeader = "SUCCEED_WITHOUT_RESPONSE_HEADER",
    }
}

/// The settings of a stage by the methods that they are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodSettingsTable(Vec<(Scope, MethodSettings)>);

/// Which methods a key names: `*/*`, `~1pets~1{id}/GET`. Unset is any.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Scope {
    path: Option<String>,
    method: Option<RouteMethod>,
}

impl MethodSettingsTable {
    pub(super) fn read(stage: &Fields<'_>) -> Result<Self> {
        let read = |fields: Fields<'_>, key: &str| {
            let wrong = || fields.error(key, "is no `{resource}/{METHOD}`");
            Ok((Scope::parse(key).ok_or_else(wrong)?, MethodSettings::read(&fields)?))
        };
        stage.each("methodSettings", "method settings", read).map(Self)
    }

    /// The settings for requests with `method` to the resource at `path`: those of the most specific
    /// key, whole. A resource counts before a method, and a method before ANY.
    #[must_use]
    pub fn find(&self, path: &str, method: RouteMethod) -> Option<&MethodSettings> {
        let fitting = self.0.iter().filter_map(|(scope, settings)| {
            let is_path = scope.path.as_deref().map(|one| one == path).unwrap_or(true);
            let is_method = scope.method.is_none_or(|one| one == method || one == RouteMethod::Any);
            let is_exact = scope.method == Some(method);
            let rank = (scope.path.is_some(), is_exact, scope.method.is_some());
            (is_path && is_method).then_some((rank, settings))
        });
        fitting.max_by_key(|(rank, _)| *rank).map(|(_, settings)| settings)
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Scope {
    /// A path is written with `~1` for each slash, or without its first.
    fn parse(key: &str) -> Option<Self> {
        let (path, method) = key.rsplit_once('/')?;
        let path = match path {
            "" => return None,
            "*" => None,
            path => {
                let path = path.replace("~1", "/").replace("~0", "~");
                Some(if path.starts_with('/') { path } else { format!("/{path}") })
            }
        };
        let method = match method {
            "*" => None,
            name => Some(RouteMethod::parse(name).ok()?),
        };
        Some(Self { path, method })
    }
}

impl MethodSettings {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let rate = fields.number("throttlingRateLimit", -1.0..=f64::MAX)?;
        let burst = fields.integer::<i64>("throttlingBurstLimit", -1..=i64::MAX)?;
        Ok(Self {
            throttle: throttle(rate, burst),
            metrics_enabled: fields.flag("metricsEnabled")?,
            logging_level: fields.choice("loggingLevel")?.unwrap_or(LoggingLevel::Off),
            data_trace_enabled: fields.flag("dataTraceEnabled")?,
            caching_enabled: fields.flag("cachingEnabled")?,
            cache_ttl_s: fields
                .integer("cacheTtlInSeconds", -1..=TTL_S_MAX)?
                .map_or(TTL_S_DEFAULT, |ttl: i64| u32::try_from(ttl).unwrap_or(TTL_S_DEFAULT)),
            cache_data_encrypted: fields.flag("cacheDataEncrypted")?,
            require_authorization_for_cache_control: !fields
                .has("requireAuthorizationForCacheControl")
                || fields.flag("requireAuthorizationForCacheControl")?,
            unauthorized_cache_control_header_strategy: fields
                .choice("unauthorizedCacheControlHeaderStrategy")?
                .unwrap_or(UnauthorizedCacheControlHeaderStrategy::SucceedWithResponseHeader),
        })
    }
}

/// -1 takes a limit away; of two, one that is not set is AWS's for an account.
fn throttle(rate: Option<f64>, burst: Option<i64>) -> Option<Throttle> {
    if rate.is_none() && burst.is_none() {
        return None;
    }
    let rate_per_second = rate.unwrap_or(Throttle::ACCOUNT.rate_per_second);
    let burst_count = burst.map_or(Ok(Throttle::ACCOUNT.burst_count), u64::try_from).ok()?;
    (rate_per_second >= 0.0).then_some(Throttle { rate_per_second, burst_count })
}

const TTL_S_MAX: i64 = 3_600;
const TTL_S_DEFAULT: u32 = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Method;
    use crate::model::fields::Place;

    fn table(settings: serde_json::Value) -> Result<MethodSettingsTable> {
        let stage = json!({ "methodSettings": settings });
        let place = Place::api("a1");
        MethodSettingsTable::read(&Fields::new(stage.as_object().expect("an object"), &place))
    }

    fn ttl(table: &MethodSettingsTable, path: &str, method: Method) -> Option<u32> {
        table.find(path, RouteMethod::Exact(method)).map(|one| one.cache_ttl_s)
    }

    #[test]
    fn the_most_specific_key_wins_whole() {
        let ttl_of = |seconds: u32| json!({ "cacheTtlInSeconds": seconds });
        let table = table(json!({
            "*/*": ttl_of(1),
            "*/POST": ttl_of(2),
            "~1pets~1{id}/*": ttl_of(3),
            "~1pets~1{id}/ANY": ttl_of(4),
            "~1pets~1{id}/GET": ttl_of(5),
            "pets/GET": ttl_of(6),
            "~1/GET": ttl_of(7),
        }))
        .expect("all are keys");
        for (path, method, expected) in [
            ("/pets/{id}", Method::Get, 5),
            ("/pets/{id}", Method::Post, 4),
            ("/pets", Method::Get, 6),
            ("/pets", Method::Post, 2),
            ("/", Method::Get, 7),
            ("/", Method::Put, 1),
        ] {
            assert_eq!(ttl(&table, path, method), Some(expected), "{path} {method:?}");
        }
        assert_eq!(ttl(&MethodSettingsTable::default(), "/", Method::Get), None);
    }

    #[test]
    fn keys_that_name_no_methods_are_refused() {
        for key in ["", "*", "/GET", "pets/FOO", "pets/get"] {
            let error = table(json!({ key: {} })).expect_err(key).to_string();
            assert!(error.starts_with("API `a1`, method settings"), "{error}");
        }
    }

    #[test]
    fn minus_one_takes_a_limit_away() {
        assert_eq!(throttle(None, None), None);
        assert_eq!(throttle(Some(-1.0), Some(5)), None);
        assert_eq!(throttle(Some(1.0), Some(-1)), None);
        let both = Throttle { rate_per_second: 0.0, burst_count: 0 };
        assert_eq!(throttle(Some(0.0), Some(0)), Some(both));
        let half = Throttle { rate_per_second: 2.0, burst_count: 5_000 };
        assert_eq!(throttle(Some(2.0), None), Some(half));
    }
}
