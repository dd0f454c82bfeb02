//! With whose credentials calls of functions are signed, and where these are read.
//!
//! Files are read when stages are compiled, which a change of one of them asks for. The rule that a
//! newcomer would break: nothing here is shown but names.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::FunctionName;
use crate::sign::{Signer, SigningCredentials};

/// How calls of an endpoint are signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundSigning {
    /// The region of the signature, if it is not that of the endpoint or of the function.
    pub region: Option<String>,
    /// With whose secret.
    pub source: SigningSource,
}

/// Where credentials are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SigningSource {
    /// Here.
    Keys {
        /// What requests name it by.
        access_key_id: String,
        /// What they are signed with.
        secret_access_key: SecretSource,
        /// A file with the token of temporary credentials.
        session_token_file: Option<PathBuf>,
    },
    /// In a file of AWS's tools (`~/.aws/credentials`).
    Profile {
        /// The file.
        file: PathBuf,
        /// The name of its section.
        profile: String,
    },
    /// In `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
}

/// Where a secret is.
#[derive(Clone, Eq, PartialEq)]
pub enum SecretSource {
    /// Here.
    Text(String),
    /// Alone in a file.
    File(PathBuf),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => out.write_str("Text(secret)"),
            Self::File(path) => write!(out, "File({path:?})"),
        }
    }
}

impl BoundSigning {
    /// The files that it is read from.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match &self.source {
            SigningSource::Keys { secret_access_key, session_token_file, .. } => {
                let secret = match secret_access_key {
                    SecretSource::File(path) => Some(path),
                    SecretSource::Text(_) => None,
                };
                secret.into_iter().chain(session_token_file).cloned().collect()
            }
            SigningSource::Profile { file, .. } => vec![file.clone()],
            SigningSource::Environment => Vec::new(),
        }
    }

    /// Who signs calls of `name` at the endpoint `host`, for an API in `api_region`. Reads files. The
    /// error says what is wrong, and no secret.
    pub(crate) fn load(
        &self,
        host: &str,
        name: &FunctionName,
        api_region: &str,
    ) -> Result<Signer, String> {
        let credentials = self.source.load(&|name| std::env::var(name).ok())?;
        let of_function = name.place.as_ref().map(|place| place.region.as_str());
        let region = self.region.as_deref().or_else(|| region_of_host(host)).or(of_function);
        let region = region.unwrap_or(api_region).to_owned();
        Ok(Signer { credentials, region, service: "lambda" })
    }
}

impl SigningSource {
    fn load(
        &self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SigningCredentials, String> {
        match self {
            Self::Keys { access_key_id, secret_access_key, session_token_file } => {
                let token = session_token_file.as_deref().map(read_secret).transpose()?;
                let secret_access_key = match secret_access_key {
                    SecretSource::Text(text) => text.clone(),
                    SecretSource::File(path) => read_secret(path)?,
                };
                let access_key_id = access_key_id.clone();
                Ok(SigningCredentials { access_key_id, secret_access_key, session_token: token })
            }
            Self::Profile { file, profile } => {
                let text = read(file)?;
                find_profile(&text, profile)
                    .ok_or_else(|| format!("{file:?} has no keys for the profile `{profile}`"))
            }
            Self::Environment => {
                let find = |name: &str| environment(name).filter(|value| is_secret(value));
                let needed =
                    |name: &str| find(name).ok_or_else(|| format!("{name} is not set, or no key"));
                Ok(SigningCredentials {
                    access_key_id: needed("AWS_ACCESS_KEY_ID")?,
                    secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
                    session_token: find("AWS_SESSION_TOKEN"),
                })
            }
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {path:?}: {error}"))
}

/// A secret that is alone in its file, but for blanks around it.
fn read_secret(path: &Path) -> Result<String, String> {
    let text = read(path)?;
    let secret = text.trim();
    is_secret(secret)
        .then(|| secret.to_owned())
        .ok_or_else(|| format!("{path:?} holds no secret: one line without blanks is expected"))
}

/// What may stand in a header, and is not empty.
fn is_secret(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The keys of a section of a file of AWS's tools. `profile NAME` is the name of one in their other
/// file.
fn find_profile(text: &str, wanted: &str) -> Option<SigningCredentials> {
    let (mut is_wanted, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            is_wanted = name.strip_prefix("profile ").map_or(name, str::trim) == wanted;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| is_wanted) else { continue };
        let place = match key.trim() {
            "aws_access_key_id" => &mut id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            _ => continue,
        };
        *place = Some(value.trim().to_owned()).filter(|value| is_secret(value));
    }
    Some(SigningCredentials {
        access_key_id: id?,
        secret_access_key: secret?,
        session_token: token,
    })
}

/// The region in the name of an endpoint of AWS: `lambda.us-east-1.amazonaws.com`,
/// `lambda-fips.us-east-1.api.aws`, `vpce-1.lambda.us-east-1.vpce.amazonaws.com`.
fn region_of_host(host: &str) -> Option<&str> {
    let is_of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    if !is_of_aws.iter().any(|end| host.ends_with(end)) {
        return None;
    }
    let mut labels = host.split('.');
    labels.find(|label| matches!(*label, "lambda" | "lambda-fips"))?;
    labels.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_endpoint_or_of_the_function() {
        for (host, region) in [
            ("lambda.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("lambda-fips.us-east-1.api.aws", Some("us-east-1")),
            ("vpce-1.lambda.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
            ("lambda.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("lambda.eu-west-1.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of_host(host), region, "{host}");
        }
        let keys = SigningSource::Keys {
            access_key_id: "AKID".into(),
            secret_access_key: SecretSource::Text("wJalrXUtnFEMI".into()),
            session_token_file: None,
        };
        let region = |given: Option<&str>, host: &str, name: &str| {
            let bound = BoundSigning { region: given.map(str::to_owned), source: keys.clone() };
            let name = FunctionName::parse(name).expect("a name");
            bound.load(host, &name, "api-region").expect("keys").region
        };
        let arn = "arn:aws:lambda:us-west-1:111111111111:function:orders";
        assert_eq!(region(Some("given"), "lambda.eu-west-1.amazonaws.com", arn), "given");
        assert_eq!(region(None, "lambda.eu-west-1.amazonaws.com", arn), "eu-west-1");
        assert_eq!(region(None, "localhost", arn), "us-west-1");
        assert_eq!(region(None, "localhost", "orders"), "api-region");
        assert!(!format!("{keys:?}").contains("wJalr"), "a secret is not shown");
    }

    #[test]
    fn a_profile_is_a_section() {
        let text = "# all\n[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n\
                    [profile other]\r\naws_access_key_id=C\r\naws_secret_access_key = D=\r\n\
                    aws_session_token=E\r\nregion = x\n[empty]\naws_access_key_id = F\n";
        let found = |name| {
            let found = find_profile(text, name)?;
            Some((found.access_key_id, found.secret_access_key, found.session_token))
        };
        assert_eq!(found("default"), Some(("A".into(), "B".into(), None)));
        assert_eq!(found("other"), Some(("C".into(), "D=".into(), Some("E".into()))));
        assert_eq!(found("empty"), None);
        assert_eq!(found("nobody"), None);
    }

    #[test]
    fn the_environment_has_what_it_has() {
        let load = |pairs: &[(&str, &str)]| {
            let find = |wanted: &str| {
                let mut pairs = pairs.iter();
                pairs.find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
            };
            SigningSource::Environment.load(&find)
        };
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "B"));
        assert_eq!(load(&[id, secret]).expect("both").session_token, None);
        let token = load(&[id, secret, ("AWS_SESSION_TOKEN", "C")]).expect("all").session_token;
        assert_eq!(token.as_deref(), Some("C"));
        assert!(load(&[id]).is_err());
        assert!(load(&[id, ("AWS_SECRET_ACCESS_KEY", "B\nInjected: x")]).is_err());
    }
}
