//! All that an event tells of a request, borrowed from where it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::members::Members;
use crate::base::write_json_string;
use crate::tls::ClientCertificate;

/// Gives each pair of a name and a value to the visitor, in the order of the request.
pub type EachField<'e> = &'e dyn Fn(&mut dyn FnMut(&'e [u8], &'e [u8]));

/// A request on its way to a function. Texts may be any bytes.
#[derive(Clone, Copy)]
pub struct ProxyRequest<'e> {
    /// `GET /items/{id}` or `$default`: `routeKey` of format 2.0.
    pub route_key: &'e str,
    /// `/items/{id}`: `resource` and `resourcePath` of format 1.0.
    pub resource: &'e str,
    /// `resourceId`; HTTP APIs have none.
    pub resource_id: Option<&'e str>,
    pub method: &'e [u8],
    /// `path` of format 1.0, as it is to be read.
    pub path: &'e [u8],
    /// The path with the stage: `requestContext.path`, and `rawPath` of format 2.0, which AWS
    /// decodes in spite of its name.
    pub path_with_stage: &'e [u8],
    /// `HTTP/1.1`.
    pub protocol: &'e str,
    pub headers: EachField<'e>,
    /// Without its `?`, still encoded.
    pub query: &'e [u8],
    /// The values still encoded.
    pub path_parameters: EachField<'e>,
    /// A JSON object, `None` without variables: [`render_stage_variables`].
    pub stage_variables: Option<&'e [u8]>,
    pub account_id: &'e str,
    pub api_id: &'e str,
    /// `deploymentId` of format 1.0.
    pub deployment_id: Option<&'e str>,
    pub domain_name: &'e [u8],
    pub domain_prefix: &'e [u8],
    pub request_id: &'e str,
    /// `extendedRequestId` of format 1.0.
    pub extended_request_id: &'e str,
    pub stage: &'e str,
    pub operation_name: Option<&'e str>,
    /// `None` where the stage has no canary.
    pub is_canary: Option<bool>,
    /// As CLF has it: `04/Mar/2020:19:15:17 +0000`.
    pub time: &'e str,
    pub time_epoch_ms: u64,
    pub identity: Identity<'e>,
    pub client_certificate: Option<&'e ClientCertificate>,
    /// The JSON of `requestContext.authorizer`.
    pub authorizer: Option<&'e [u8]>,
    pub body: EventBody<'e>,
}

/// Who calls: `requestContext.identity` of format 1.0; format 2.0 has the address and the user
/// agent under `http`, and the rest in its authorizer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'e> {
    pub access_key: Option<&'e str>,
    pub account_id: Option<&'e str>,
    /// Left out where the method asks for no key, like `api_key_id`.
    pub api_key: Option<&'e str>,
    pub api_key_id: Option<&'e str>,
    pub caller: Option<&'e str>,
    pub cognito_authentication_provider: Option<&'e str>,
    pub cognito_authentication_type: Option<&'e str>,
    pub cognito_identity_id: Option<&'e str>,
    pub cognito_identity_pool_id: Option<&'e str>,
    pub principal_org_id: Option<&'e str>,
    pub source_ip: &'e str,
    pub user: Option<&'e str>,
    pub user_agent: Option<&'e [u8]>,
    pub user_arn: Option<&'e str>,
    /// Of private APIs alone, like `vpce_id`.
    pub vpc_id: Option<&'e str>,
    pub vpce_id: Option<&'e str>,
}

/// A body, and how the event carries it. An empty one is as good as none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventBody<'e> {
    Absent,
    /// As text; bytes that are no UTF-8 are lost.
    Text(&'e [u8]),
    Base64(&'e [u8]),
}

impl<'e> EventBody<'e> {
    /// The body of a request, as its kind of API carries it.
    #[must_use]
    pub fn new(bytes: &'e [u8], is_binary: bool) -> Self {
        match (bytes.is_empty(), is_binary) {
            (true, _) => Self::Absent,
            (false, true) => Self::Base64(bytes),
            (false, false) => Self::Text(bytes),
        }
    }

    pub(super) fn is_base64(self) -> bool {
        matches!(self, Self::Base64(bytes) if !bytes.is_empty())
    }

    pub(super) fn is_absent(self) -> bool {
        matches!(self, Self::Absent | Self::Text(b"") | Self::Base64(b""))
    }

    /// Appends the JSON of the body.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            _ if self.is_absent() => out.extend_from_slice(b"null"),
            Self::Absent => {}
            Self::Text(bytes) => write_json_string(out, bytes),
            Self::Base64(bytes) => write_base64(out, bytes),
        }
    }
}

/// Encodes into the event itself, and not into a text that is copied then.
fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let encoded_bytes = base64::encoded_len(bytes.len(), true).expect("a body is in memory");
    out.resize(start + encoded_bytes, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).expect("room was made");
    debug_assert_eq!(written, encoded_bytes);
    out.push(b'"');
}

/// The JSON of `stageVariables`, to be made once for a stage; `None` where there are none.
#[must_use]
pub fn render_stage_variables<'v>(
    variables: impl IntoIterator<Item = (&'v str, &'v str)>,
) -> Option<Box<[u8]>> {
    let mut out = Vec::new();
    let mut members = Members::open(&mut out);
    for (name, value) in variables {
        write_json_string(members.foreign(name.as_bytes()), value.as_bytes());
    }
    members.close();
    (out.len() > b"{}".len()).then(|| out.into_boxed_slice())
}

/// Appends the object `clientCert`, which both formats have.
pub(super) fn write_client_certificate(out: &mut Vec<u8>, certificate: &ClientCertificate) {
    let mut members = Members::open(out);
    members.text("clientCertPem", certificate.client_cert_pem.as_bytes());
    members.text("subjectDN", certificate.subject_dn.as_bytes());
    members.text("issuerDN", certificate.issuer_dn.as_bytes());
    members.text("serialNumber", certificate.serial_number.as_bytes());
    let mut validity = Members::open(members.name("validity"));
    validity.text("notBefore", certificate.not_before.as_bytes());
    validity.text("notAfter", certificate.not_after.as_bytes());
    validity.close();
    members.close();
}
