//! What stages of both generations log.

use super::fields::{Fields, Result};
use super::named::named;

/// Where a line for each request goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessLogSettings {
    /// A log group or delivery stream.
    pub destination_arn: Option<String>,
    /// The line, with `$context` variables.
    pub format: Option<String>,
}

named! {
    /// What execution logs hold.
    pub enum LoggingLevel {
        /// Nothing.
        Off = "OFF",
        /// Errors.
        Error = "ERROR",
        /// Every step.
        Info = "INFO",
    }
}

impl AccessLogSettings {
    pub(super) fn read(stage: &Fields<'_>) -> Result<Option<Self>> {
        stage.part("accessLogSettings", |settings| {
            Ok(Self {
                destination_arn: settings.owned_text("destinationArn")?,
                format: settings.owned_text("format")?,
            })
        })
    }
}
