//! Who calls: the credential that a request is signed with, or anyone on this machine.

use super::error::{ApiError, Code};
use super::options::{Credential, ManagementOptions};
use crate::sign::{Authorization, SignatureError, SignedRequest};

/// Who calls, as far as is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Caller {
    /// The access key that it gave; checked only where there are credentials to check it against.
    pub(super) access_key_id: Option<String>,
    /// The name of the credential that signed.
    pub(super) name: Option<String>,
    /// The region that the request was signed for.
    pub(super) region: Option<String>,
}

/// Finds out who sent `request`. With credentials in the settings only what they signed passes.
pub(super) fn identify(
    options: &ManagementOptions,
    request: &SignedRequest<'_>,
    service: &str,
    now_seconds: u64,
) -> Result<Caller, ApiError> {
    let found = Authorization::find(request);
    if options.credentials.is_empty() {
        // SDKs sign in any case: the region is taken from there, nothing is believed.
        let claimed = found.ok().flatten();
        return Ok(Caller {
            access_key_id: claimed.as_ref().map(|one| one.access_key_id.clone()),
            name: None,
            region: claimed.map(|one| one.region),
        });
    }
    let authorization = found.map_err(refuse)?.ok_or_else(|| {
        ApiError::new(Code::MissingAuthenticationToken, "Missing Authentication Token")
    })?;
    let mut credentials = options.credentials.iter();
    let known = credentials.find(|one| one.access_key_id == authorization.access_key_id);
    let Some(Credential { secret_access_key, name, .. }) = known else {
        let message = "The security token included in the request is invalid.";
        return Err(ApiError::new(Code::UnrecognizedClient, message));
    };
    if authorization.service != service {
        let message = format!("Credential should be scoped to correct service: '{service}'.");
        return Err(ApiError::new(Code::InvalidSignature, message));
    }
    authorization.verify(request, secret_access_key, now_seconds).map_err(refuse)?;
    Ok(Caller {
        access_key_id: Some(authorization.access_key_id),
        name: Some(name.clone()),
        region: Some(authorization.region),
    })
}

fn refuse(error: SignatureError) -> ApiError {
    ApiError::new(Code::InvalidSignature, error.to_string())
}
