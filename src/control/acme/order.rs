//! One order (RFC 8555 section 7.4): from names to a chain of certificates in PEM.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::answers::Answers;
use super::error::AcmeError;

/// A new key, and the request to certify it for the names.
pub(super) struct KeyRequest {
    key: KeyPair,
    request: Vec<u8>,
}

impl KeyRequest {
    /// A P-256 key: the cheapest to sign with, and what every client verifies. Never the key of
    /// the certificate before, which may have been copied.
    pub(super) fn new(names: &[String]) -> Result<Self, AcmeError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        // Names are in the subjectAltName alone; some authorities refuse a placeholder here.
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?.der().to_vec();
        Ok(Self { key, request })
    }

    /// Key and chain as one file.
    pub(super) fn with_chain(&self, chain: &str) -> String {
        self.key.serialize_pem() + chain
    }
}

/// Proves the names and has the certificate issued.
pub(super) async fn perform(
    account: &Account,
    names: &[String],
    key: &KeyRequest,
    answers: &mut Answers<'_>,
) -> Result<String, AcmeError> {
    let identifiers: Vec<_> = names.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order, answers).await?;
    let ready = order.poll_ready(&PATIENCE).await;
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        return Err(match find_refusal(&mut order, &answers.kind()).await {
            Some(reason) => AcmeError::Unproved(reason),
            None => ready.err().map_or_else(
                || AcmeError::Unproved("the authority refuses the order".to_owned()),
                AcmeError::from,
            ),
        });
    }
    order.finalize_csr(&key.request).await?;
    Ok(order.poll_certificate(&PATIENCE).await?)
}

/// Answers the challenge of every name that was not proved before.
async fn prove(order: &mut Order, answers: &mut Answers<'_>) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status => return Err(AcmeError::Unproved(format!("{name} is {status:?} already"))),
        }
        let kind = answers.kind();
        let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
            AcmeError::Unproved(format!("the authority does not offer {kind:?} for {name}"))
        })?;
        answers.add(&challenge).await?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// Why the authority does not believe that one of the names is ours, in its words.
async fn find_refusal(order: &mut Order, kind: &ChallengeType) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What was read before is from before the validation.
        authorization.refresh().await.ok()?;
        let name = authorization.identifier().to_string();
        let refused = authorization.challenges.iter().find(|challenge| {
            challenge.r#type == *kind && challenge.status == ChallengeStatus::Invalid
        });
        if let Some(challenge) = refused {
            let error = challenge.error.as_ref();
            let reason = error.map_or_else(|| "no reason".to_owned(), ToString::to_string);
            return Some(format!("{name} is not proved: {reason}"));
        }
    }
    None
}

/// How the authority is asked whether it has validated, or issued.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.6)
    .timeout(Duration::from_secs(180));
