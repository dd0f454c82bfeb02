//! `ClientCertificate`: what the gateway shows to backends. The key stays in the store.

use std::time::{Duration, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair};

use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::ids;
use crate::control::management::resource::document::{remove_empty, text};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static CLIENT_CERTIFICATE: Kind = Kind {
    path: &["clientcertificates"],
    missing: "Invalid Client Certificate identifier specified",
    has_tags: true,
    patch: &PATCH,
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[PatchRow::new("/description", Ops::REPLACE, PatchValue::Text)],
};

/// `GenerateClientCertificate`.
pub(in crate::control::management) fn generate(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &CLIENT_CERTIFICATE)?;
    let max = context.quotas.client_certificates_count_max;
    context.check_quota(&collection, max, "Client certificates", "account")?;
    let expires = context.now + LIFETIME_SECONDS;
    let (certificate, key) = make(context.now, expires).map_err(|error| {
        ApiError::new(Code::ServiceUnavailable, format!("no certificate could be made: {error}"))
    })?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("clientCertificateId".into(), id.clone().into());
    document.insert("pemEncodedCertificate".into(), certificate.into());
    document.insert("privateKey".into(), key.into());
    document.insert("createdDate".into(), context.now.into());
    document.insert("expirationDate".into(), expires.into());
    remove_empty(&mut document, &["tags"]);
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

fn make(from: u64, to: u64) -> std::result::Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, "ApiGateway");
    parameters.not_before = (UNIX_EPOCH + Duration::from_secs(from)).into();
    parameters.not_after = (UNIX_EPOCH + Duration::from_secs(to)).into();
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A certificate that a stage shows cannot go.
fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let apis = context.root().child("restapis");
    for (api, _) in context.children(&apis)? {
        for (_, stage) in context.children(&apis.child(&api).child("stages"))? {
            if is_shown_by(&stage, key.last()) {
                return Err(ApiError::bad_request(
                    "Cannot delete client certificate because it is associated with a stage",
                ));
            }
        }
    }
    Ok(())
}

fn is_shown_by(stage: &Document, id: &str) -> bool {
    text(stage, "clientCertificateId") == Some(id)
}

/// A year.
const LIFETIME_SECONDS: u64 = 365 * 86_400;
