//! How calls of functions are signed, and which APIs may make them.

use super::diagnostics::Mistake;
use super::keys::RawFunctionSign;
use super::reading::{Field, Reading};
use super::values::{TextForm, Unformed};
use crate::control::{BoundSigning, SecretSource, SigningSource};
use crate::model::FunctionPermission;

/// Which APIs, methods and routes may call a function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SourceArnPattern(pub(super) FunctionPermission);

impl TextForm for SourceArnPattern {
    const EXPECTED: &'static str = "the ARN of a method or a route, perhaps with `*` and `?` in it, as `add-permission` takes it";
    const PATTERN: Option<&'static str> = Some(r"^(\*|arn:[^\s:]*:[^\s:]*:[^\s:]*:[^\s:]*:\S*)$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        FunctionPermission::parse(text).map(Self).ok_or(Unformed::Form)
    }
}

/// Builds what signs calls, from one of the places where credentials are.
pub(super) fn build_signing(
    sign: Field<RawFunctionSign>,
    reading: &mut Reading<'_>,
) -> Option<BoundSigning> {
    let Field { value: raw, span, .. } = sign;
    let mut refuse = |message: &str, help: &str| {
        reading.record(Mistake::new(span, message.to_owned()).help(help.to_owned()));
    };
    let has_secret = raw.secret_access_key.is_some() || raw.secret_access_key_file.is_some();
    let has_more = has_secret || raw.session_token_file.is_some();
    let secret = match (raw.secret_access_key, raw.secret_access_key_file) {
        (Some(text), _) => Some(SecretSource::Text(text.value.0)),
        (None, file) => file.map(|file| SecretSource::File(file.value.0)),
    };
    let source = match (raw.access_key_id, secret, raw.credentials_file) {
        (Some(_), _, Some(_)) | (None, Some(_), Some(_)) => {
            refuse(
                "the credentials are said twice",
                "keep `access_key_id` with its secret, or `credentials_file`",
            );
            return None;
        }
        (Some(id), Some(secret_access_key), None) => SigningSource::Keys {
            access_key_id: id.value.0,
            secret_access_key,
            session_token_file: raw.session_token_file.map(|file| file.value.0),
        },
        (Some(_), None, None) => {
            refuse(
                "`access_key_id` has no secret",
                "add `secret_access_key_file` or `secret_access_key`",
            );
            return None;
        }
        (None, None, Some(file)) if !has_more => {
            SigningSource::Profile { file: file.value.0, profile: raw.profile.value.0 }
        }
        (None, None, None) if !has_more => SigningSource::Environment,
        (None, _, _) => {
            refuse("a secret or a token needs its `access_key_id`", "add `access_key_id`");
            return None;
        }
    };
    Some(BoundSigning { region: raw.region.map(|region| region.value.0), source })
}
