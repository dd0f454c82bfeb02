//! What integrations call functions: names, ARNs and the URIs around them.

use std::fmt;

/// A function that is named: `orders`, `orders:live`, or its ARN with or without a qualifier (AWS
/// Lambda API reference, "Invoke": `FunctionName` and `Qualifier`).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FunctionName {
    /// Where it is, if that is said.
    pub place: Option<FunctionPlace>,
    /// Its name.
    pub name: String,
    /// A version or an alias, if one is named.
    pub qualifier: Option<String>,
}

/// Where a function is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FunctionPlace {
    /// `aws`.
    pub partition: String,
    /// `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
}

/// What of a function's answer a client gets when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvocationMode {
    /// All of it, when it is whole.
    Buffered,
    /// Its body while it comes.
    Streamed,
}

impl FunctionName {
    /// Reads a name or an ARN.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (place, rest) = match text.strip_prefix("arn:") {
            Some(arn) => {
                let mut parts = arn.splitn(6, ':');
                let (partition, service) = (parts.next()?, parts.next()?);
                let (region, account_id) = (parts.next()?, parts.next()?);
                let (kind, rest) = (parts.next()?, parts.next()?);
                let is_function = service == "lambda" && kind == "function";
                if !is_function || !is_word(partition) || !is_word(region) || !is_word(account_id) {
                    return None;
                }
                let [partition, region, account_id] =
                    [partition, region, account_id].map(str::to_owned);
                (Some(FunctionPlace { partition, region, account_id }), rest)
            }
            None => (None, text),
        };
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        let is_qualifier = |text: &str| text == "$LATEST" || is_word(text);
        if !is_word(name) || !qualifier.is_none_or(is_qualifier) {
            return None;
        }
        let qualifier = qualifier.map(str::to_owned);
        Some(Self { place, name: name.to_owned(), qualifier })
    }

    /// The function of an integration's URI, stage variables in it resolved: the ARN itself, as HTTP
    /// APIs have it, or the ARN of the action that invokes it.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<(Self, InvocationMode)> {
        let Some((head, path)) = uri.split_once(":lambda:path/") else {
            return Some((Self::parse(uri)?, InvocationMode::Buffered));
        };
        if !head.starts_with("arn:") || !head.contains(":apigateway:") {
            return None;
        }
        for (version, action, mode) in [
            ("2015-03-31/functions/", "/invocations", InvocationMode::Buffered),
            ("2021-11-15/functions/", "/response-streaming-invocations", InvocationMode::Streamed),
        ] {
            let name = path.strip_prefix(version).and_then(|rest| rest.strip_suffix(action));
            if let Some(name) = name {
                return Some((Self::parse(name)?, mode));
            }
        }
        None
    }

    /// Whether this name, of the settings, stands for `called`; how closely, if so: what it says
    /// beside the name must be the same, and more of it is closer.
    #[must_use]
    pub fn covers(&self, called: &Self) -> Option<u8> {
        let (mut closeness, is_same) = (0, self.name == called.name);
        if let Some(place) = &self.place {
            if called.place.as_ref() != Some(place) {
                return None;
            }
            closeness += 2;
        }
        if let Some(qualifier) = &self.qualifier {
            let latest = "$LATEST";
            if called.qualifier.as_deref().unwrap_or(latest) != qualifier {
                return None;
            }
            closeness += 1;
        }
        is_same.then_some(closeness)
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(FunctionPlace { partition, region, account_id }) = &self.place {
            write!(out, "arn:{partition}:lambda:{region}:{account_id}:function:")?;
        }
        out.write_str(&self.name)?;
        match &self.qualifier {
            Some(qualifier) => write!(out, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

fn is_word(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=140).contains(&text.len()) && text.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FunctionName {
        FunctionName::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn names_and_arns_are_read() {
        let arn = "arn:aws:lambda:us-east-1:111111111111:function:orders";
        let place = FunctionPlace {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account_id: "111111111111".into(),
        };
        assert_eq!(parse("orders").place, None);
        assert_eq!(parse(arn).place, Some(place));
        for text in [arn, "orders", "orders:live"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse(&format!("{arn}:live")).qualifier.as_deref(), Some("live"));
        assert_eq!(parse("orders:$LATEST").qualifier.as_deref(), Some("$LATEST"));
        for bad in
            ["", ":", "a:", "a b", "a/b", "arn:aws:s3:::b", "arn:aws:lambda:r:1:layer:x", "a:b:c"]
        {
            assert_eq!(FunctionName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn uris_name_a_function_and_a_mode() {
        let arn = "arn:aws:lambda:us-east-1:111111111111:function:orders:live";
        let head = "arn:aws:apigateway:us-east-1:lambda:path";
        let buffered = format!("{head}/2015-03-31/functions/{arn}/invocations");
        let streamed = format!("{head}/2021-11-15/functions/{arn}/response-streaming-invocations");
        for (uri, mode) in [
            (arn, InvocationMode::Buffered),
            (buffered.as_str(), InvocationMode::Buffered),
            (streamed.as_str(), InvocationMode::Streamed),
        ] {
            assert_eq!(FunctionName::of_uri(uri), Some((parse(arn), mode)), "{uri}");
        }
        for bad in
            ["http://x/", "arn:aws:apigateway:r:lambda:path/2015-03-31/functions//invocations"]
        {
            assert_eq!(FunctionName::of_uri(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_closest_name_of_the_settings_counts() {
        let called = parse("arn:aws:lambda:us-east-1:111111111111:function:orders:live");
        let closeness = |text: &str| parse(text).covers(&called);
        assert_eq!(closeness("orders"), Some(0));
        assert_eq!(closeness("orders:live"), Some(1));
        assert_eq!(closeness("arn:aws:lambda:us-east-1:111111111111:function:orders"), Some(2));
        assert_eq!(
            closeness("arn:aws:lambda:us-east-1:111111111111:function:orders:live"),
            Some(3)
        );
        assert_eq!(closeness("orders:test"), None);
        assert_eq!(closeness("other"), None);
        assert_eq!(closeness("arn:aws:lambda:eu-west-1:111111111111:function:orders"), None);
        assert_eq!(parse("orders:$LATEST").covers(&parse("orders")), Some(1));
    }
}
