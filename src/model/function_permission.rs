//! Which APIs may call a function: the part of its resource policy that speaks of them.
//!
//! AWS: "Granting function access to AWS services" in Lambda's guide, and the condition operator
//! `ArnLike` in IAM's: each of the six parts of an ARN is matched for itself, with `*` for any
//! characters and `?` for one.

use std::fmt;

/// A permission as `AddPermission` makes it: who asks must be of this ARN and this account, if they
/// are named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionPermission {
    source_arn: Option<ArnPattern>,
    source_account: Option<String>,
}

/// The ARN of what calls a function: a method of a REST API, or a route of an HTTP API, on a stage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceArn {
    text: String,
    account_id: String,
}

/// An ARN with wildcards.
#[derive(Clone, Debug, Eq, PartialEq)]
struct ArnPattern(String);

impl SourceArn {
    /// Of a method (`GET`, or `ANY`) of the resource at `path` of a REST API. Parameters of the path
    /// are told by their names.
    #[must_use]
    pub fn of_method(place: ApiPlace<'_>, method: &str, path: &str) -> Self {
        Self::new(place, &format!("{method}/{}", path.trim_start_matches('/')))
    }

    /// Of a route of an HTTP API, by its key: `GET /pets/{id}`, or `$default`.
    #[must_use]
    pub fn of_route(place: ApiPlace<'_>, key: &str) -> Self {
        match key.split_once(' ') {
            Some((method, path)) => Self::of_method(place, method, path),
            None => Self::new(place, key),
        }
    }

    fn new(place: ApiPlace<'_>, rest: &str) -> Self {
        let ApiPlace { region, account_id, api_id, stage_name } = place;
        let text =
            format!("arn:aws:execute-api:{region}:{account_id}:{api_id}/{stage_name}/{rest}");
        Self { text, account_id: account_id.to_owned() }
    }
}

impl fmt::Display for SourceArn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Where a stage is.
#[derive(Clone, Copy, Debug)]
pub struct ApiPlace<'p> {
    /// `us-east-1`.
    pub region: &'p str,
    /// Twelve digits.
    pub account_id: &'p str,
    /// The id of the API.
    pub api_id: &'p str,
    /// A canary has the name of its stage.
    pub stage_name: &'p str,
}

impl FunctionPermission {
    /// What a pattern of source ARNs permits; `None` if it is none.
    #[must_use]
    pub fn parse(source_arn: &str) -> Option<Self> {
        let source_arn = ArnPattern::parse(source_arn)?;
        Some(Self { source_arn: Some(source_arn), source_account: None })
    }

    /// What a statement permits APIs: `None` if it speaks of something else, or names an ARN that is
    /// none.
    #[must_use]
    pub fn of_statement(
        action: &str,
        principal: &str,
        source_arn: Option<&str>,
        source_account: Option<&str>,
    ) -> Option<Self> {
        let is_invoked = matches!(action, "lambda:InvokeFunction" | "lambda:*" | "*");
        let is_api = matches!(principal, "apigateway.amazonaws.com" | "*");
        if !is_invoked || !is_api {
            return None;
        }
        let source_arn = match source_arn {
            Some(text) => Some(ArnPattern::parse(text)?),
            None => None,
        };
        Some(Self { source_arn, source_account: source_account.map(str::to_owned) })
    }

    /// Whether `source` may call the function.
    #[must_use]
    pub fn allows(&self, source: &SourceArn) -> bool {
        let is_account =
            self.source_account.as_deref().is_none_or(|account| account == source.account_id);
        is_account && self.source_arn.as_ref().is_none_or(|pattern| pattern.matches(&source.text))
    }
}

impl fmt::Display for FunctionPermission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source_arn, &self.source_account) {
            (Some(arn), _) => out.write_str(&arn.0),
            (None, Some(account)) => out.write_str(account),
            (None, None) => out.write_str("*"),
        }
    }
}

impl ArnPattern {
    /// A pattern has six parts; `*` alone stands for any ARN.
    fn parse(text: &str) -> Option<Self> {
        let is_fit = !text.chars().any(|one| one.is_whitespace() || one.is_control());
        let is_arn = text == "*" || text.starts_with("arn:") && text.splitn(6, ':').count() == 6;
        (is_fit && is_arn && text.len() <= PATTERN_BYTES_MAX).then(|| Self(text.to_owned()))
    }

    fn matches(&self, arn: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let mut parts = arn.splitn(6, ':');
        self.0.splitn(6, ':').all(|pattern| {
            parts.next().is_some_and(|part| is_like(pattern.as_bytes(), part.as_bytes()))
        })
    }
}

/// Whether `text` is like `pattern`. The latest star takes as little as it can and more when what
/// follows does not fit, so that no pattern takes more than the product of the lengths.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut pattern_at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(pattern_at) {
            Some(b'*') => {
                star = Some((pattern_at, at));
                pattern_at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[at] => {
                at += 1;
                pattern_at += 1;
            }
            _ => {
                let Some((star_at, taken_to)) = star else { return false };
                star = Some((star_at, taken_to + 1));
                (pattern_at, at) = (star_at + 1, taken_to + 1);
            }
        }
    }
    pattern[pattern_at..].iter().all(|byte| *byte == b'*')
}

/// Longer than any ARN of an API.
const PATTERN_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: ApiPlace<'_> = ApiPlace {
        region: "us-east-1",
        account_id: "111111111111",
        api_id: "a1b2c3",
        stage_name: "prod",
    };

    fn allows(pattern: &str, source: &SourceArn) -> bool {
        FunctionPermission::parse(pattern).unwrap_or_else(|| panic!("{pattern}")).allows(source)
    }

    #[test]
    fn sources_are_told_by_method_and_path_or_route_key() {
        let of_method = |method, path| SourceArn::of_method(PLACE, method, path).to_string();
        let start = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3/prod";
        assert_eq!(of_method("GET", "/pets/{id}"), format!("{start}/GET/pets/{{id}}"));
        assert_eq!(of_method("ANY", "/"), format!("{start}/ANY/"));
        let of_route = |key| SourceArn::of_route(PLACE, key).to_string();
        assert_eq!(of_route("GET /pets"), format!("{start}/GET/pets"));
        assert_eq!(of_route("$default"), format!("{start}/$default"));
    }

    /// The forms that consoles and templates write.
    #[test]
    fn a_pattern_allows_what_it_is_like() {
        let arn = |rest: &str| format!("arn:aws:execute-api:us-east-1:111111111111:{rest}");
        let source = SourceArn::of_method(PLACE, "GET", "/pets/{id}");
        for (rest, is_allowed) in [
            ("a1b2c3/*/GET/pets/*", true),
            ("a1b2c3/*/*/pets/*", true),
            ("a1b2c3/*", true),
            ("*", true),
            ("a1b2c3/prod/G?T/pets/{id}", true),
            ("a1b2c3/*/GET/pets", false),
            ("a1b2c3/*/POST/pets/*", false),
            ("other/*", false),
            ("a1b2c3/dev/*", false),
        ] {
            assert_eq!(allows(&arn(rest), &source), is_allowed, "{rest}");
        }
        assert!(allows("arn:*:execute-api:*:*:*/GET/*", &source));
        assert!(allows("*", &source));
        // A star matches within its own part alone.
        assert!(!allows("arn:*:us-east-1:111111111111:a1b2c3/*:", &source));
    }

    #[test]
    fn what_is_no_arn_is_no_permission() {
        for bad in ["", "orders", "arn:aws:execute-api", "arn:aws:execute-api:r:1:a b"] {
            assert_eq!(FunctionPermission::parse(bad), None, "{bad}");
        }
        assert_eq!(FunctionPermission::parse(&format!("arn:a:b:c:d:{}", "x".repeat(2_048))), None);
    }

    #[test]
    fn a_statement_counts_if_it_is_about_apis() {
        let source = SourceArn::of_route(PLACE, "$default");
        let (action, principal) = ("lambda:InvokeFunction", "apigateway.amazonaws.com");
        let of = FunctionPermission::of_statement;
        let allows = |permission: Option<FunctionPermission>| {
            permission.is_some_and(|permission| permission.allows(&source))
        };
        assert!(allows(of(action, principal, None, None)));
        assert!(allows(of(action, principal, None, Some("111111111111"))));
        assert!(!allows(of(action, principal, None, Some("222222222222"))));
        assert!(allows(of(action, principal, Some("arn:aws:execute-api:*:*:a1b2c3/*"), None)));
        assert!(!allows(of("lambda:GetFunction", principal, None, None)));
        assert!(!allows(of(action, "s3.amazonaws.com", None, None)));
        assert!(!allows(of(action, principal, Some("garbage"), None)));
    }

    /// What a pattern means, without a thought for time.
    fn is_like_plainly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                is_like_plainly(&pattern[1..], text)
                    || (!text.is_empty() && is_like_plainly(pattern, &text[1..]))
            }
            (Some(byte), Some(other)) if *byte == b'?' || byte == other => {
                is_like_plainly(&pattern[1..], &text[1..])
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_pattern_means(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(is_like(pattern, text), is_like_plainly(pattern, text));
        }
    }
}
