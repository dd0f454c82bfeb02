//! `RouteSettings`: what a stage sets for its routes.

use crate::model::fields::{Fields, Result};
use crate::model::{LoggingLevel, Throttle};

/// Settings of one route, or of all. What is `None` is not set here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RouteSettings {
    /// Requests per second.
    pub throttling_rate_limit: Option<f64>,
    /// Most requests at one instant.
    pub throttling_burst_limit: Option<u64>,
    /// Whether metrics are kept for the route.
    pub detailed_metrics_enabled: Option<bool>,
    /// What execution logs hold, of WebSocket APIs.
    pub logging_level: Option<LoggingLevel>,
    /// Whether execution logs hold whole messages, of WebSocket APIs.
    pub data_trace_enabled: Option<bool>,
}

impl RouteSettings {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        let flag =
            |field: &str| Ok(if fields.has(field) { Some(fields.flag(field)?) } else { None });
        Ok(Self {
            throttling_rate_limit: fields.number("throttlingRateLimit", 0.0..=f64::MAX)?,
            throttling_burst_limit: fields.integer("throttlingBurstLimit", 0..=i64::MAX)?,
            detailed_metrics_enabled: flag("detailedMetricsEnabled")?,
            logging_level: fields.choice("loggingLevel")?,
            data_trace_enabled: flag("dataTraceEnabled")?,
        })
    }

    /// These settings, with those of `default` where they say nothing.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            throttling_rate_limit: self.throttling_rate_limit.or(default.throttling_rate_limit),
            throttling_burst_limit: self.throttling_burst_limit.or(default.throttling_burst_limit),
            detailed_metrics_enabled: self
                .detailed_metrics_enabled
                .or(default.detailed_metrics_enabled),
            logging_level: self.logging_level.or(default.logging_level),
            data_trace_enabled: self.data_trace_enabled.or(default.data_trace_enabled),
        }
    }

    /// The limit, if any part of one is set; the other part is AWS's for an account.
    #[must_use]
    pub fn throttle(&self) -> Option<Throttle> {
        let (rate, burst) = (self.throttling_rate_limit, self.throttling_burst_limit);
        (rate.is_some() || burst.is_some()).then(|| Throttle {
            rate_per_second: rate.unwrap_or(Throttle::ACCOUNT.rate_per_second),
            burst_count: burst.unwrap_or(Throttle::ACCOUNT.burst_count),
        })
    }
}
