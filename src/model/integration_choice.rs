//! What integrations of both generations choose from.

use super::named::named;

named! {
    /// What answers, and whether the gateway maps what passes.
    pub enum IntegrationType {
        /// A backend over HTTP, with mappings.
        Http = "HTTP",
        /// A backend over HTTP; what comes is passed on.
        HttpProxy = "HTTP_PROXY",
        /// The gateway itself.
        Mock = "MOCK",
        /// An action of an AWS service, with mappings.
        Aws = "AWS",
        /// A function, or an action of a service, without mappings.
        AwsProxy = "AWS_PROXY",
    }
}

named! {
    /// How a backend is reached.
    pub enum ConnectionType {
        /// By its address.
        Internet = "INTERNET",
        /// Through a VPC link.
        VpcLink = "VPC_LINK",
    }
}

named! {
    /// What becomes of a body that no request template is for.
    pub enum PassthroughBehavior {
        /// It passes if no template fits its media type.
        WhenNoMatch = "WHEN_NO_MATCH",
        /// It passes if there are no templates at all.
        WhenNoTemplates = "WHEN_NO_TEMPLATES",
        /// It is refused with 415.
        Never = "NEVER",
    }
}

named! {
    /// How a body is converted. Without one it passes as it is.
    pub enum ContentHandling {
        /// From base64 to bytes.
        ConvertToBinary = "CONVERT_TO_BINARY",
        /// From bytes to base64.
        ConvertToText = "CONVERT_TO_TEXT",
    }
}

/// Time-outs that can be stored, in milliseconds: 50 is AWS's least, and quotas may be raised.
pub(super) const TIMEOUT_MS: std::ops::RangeInclusive<i64> = 50..=u32::MAX as i64;
