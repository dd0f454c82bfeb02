//! Signature Version 4, the verifying side ("Create a signed AWS API request" in AWS's IAM guide):
//! by the `Authorization` header or by query parameters.

use super::canonical::{
    ALGORITHM, SCOPE_END, scope, signing_key, string_to_sign, write_end, write_hash, write_header,
    write_target,
};
use super::library::hmac;
use crate::base::{iso8601, parse_basic_iso8601};

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// As sent.
    pub method: &'a str,
    /// As sent, without query.
    pub path: &'a str,
    /// Decoded.
    pub query: &'a [(String, String)],
    /// Names in lower case; a name may come more than once.
    pub headers: &'a [(String, String)],
    /// The whole body.
    pub body: &'a [u8],
}

/// What a request says of who signed it, not yet believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization {
    /// Whose secret it was signed with.
    pub access_key_id: String,
    /// The region of its credential scope.
    pub region: String,
    /// The service of its credential scope.
    pub service: String,
    date: String,
    timestamp: String,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
    /// Seconds that a signature in the query is good for.
    expires: Option<u64>,
}

/// Why a signature proves nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// It is not written as a signature is.
    #[error("Authorization header or query parameters are incomplete: {0}")]
    Malformed(&'static str),
    /// It is of another time.
    #[error("{0}")]
    Time(String),
    /// It is not what the secret gives.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

impl Authorization {
    /// Finds the signature of a request; `None` if it has none.
    pub fn find(request: &SignedRequest<'_>) -> Result<Option<Self>, SignatureError> {
        if let Some(header) = request.header("authorization") {
            return Self::from_header(request, header).map(Some);
        }
        if request.parameter("X-Amz-Signature").is_some() {
            return Self::from_query(request).map(Some);
        }
        Ok(None)
    }

    fn from_header(request: &SignedRequest<'_>, header: &str) -> Result<Self, SignatureError> {
        let fields = header
            .trim()
            .strip_prefix(ALGORITHM)
            .ok_or(SignatureError::Malformed("the algorithm is not AWS4-HMAC-SHA256"))?;
        let field = |name: &'static str| {
            let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            let found = fields.find(|(key, _)| *key == name).map(|(_, value)| value);
            found.ok_or(SignatureError::Malformed(name))
        };
        let timestamp =
            request.header("x-amz-date").ok_or(SignatureError::Malformed("X-Amz-Date"))?;
        Self::new(
            field("Credential")?,
            field("SignedHeaders")?,
            field("Signature")?,
            timestamp,
            None,
        )
    }

    fn from_query(request: &SignedRequest<'_>) -> Result<Self, SignatureError> {
        let parameter =
            |name: &'static str| request.parameter(name).ok_or(SignatureError::Malformed(name));
        if parameter("X-Amz-Algorithm")? != ALGORITHM {
            return Err(SignatureError::Malformed("the algorithm is not AWS4-HMAC-SHA256"));
        }
        let expires =
            parameter("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds <= EXPIRES_MAX);
        let expires = expires.ok_or(SignatureError::Malformed("X-Amz-Expires"))?;
        Self::new(
            parameter("X-Amz-Credential")?,
            parameter("X-Amz-SignedHeaders")?,
            parameter("X-Amz-Signature")?,
            parameter("X-Amz-Date")?,
            Some(expires),
        )
    }

    fn new(
        credential: &str,
        signed_headers: &str,
        signature: &str,
        timestamp: &str,
        expires: Option<u64>,
    ) -> Result<Self, SignatureError> {
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next().ok_or(SignatureError::Malformed("Credential"));
        let (end, service, region, date, access_key_id) =
            (part()?, part()?, part()?, part()?, part()?);
        if end != SCOPE_END || !timestamp.starts_with(date) || date.len() != 8 {
            return Err(SignatureError::Malformed("Credential"));
        }
        let signature = decode_hex(signature).ok_or(SignatureError::Malformed("Signature"))?;
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            date: date.to_owned(),
            timestamp: timestamp.to_owned(),
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature,
            expires,
        })
    }

    /// Whether `secret` signed `request` at about `now_seconds`.
    pub fn verify(
        &self,
        request: &SignedRequest<'_>,
        secret: &str,
        now_seconds: u64,
    ) -> Result<(), SignatureError> {
        self.check_time(now_seconds)?;
        if !self.signed_headers.iter().any(|name| name == "host") {
            return Err(SignatureError::Malformed("SignedHeaders"));
        }
        let payload_hash = self.payload_hash(request)?;
        let canonical = self.canonical_request(request, &payload_hash);
        let scope = scope(&self.date, &self.region, &self.service);
        let text = string_to_sign(&self.timestamp, &scope, &canonical);
        let key = signing_key(secret, &self.date, &self.region, &self.service);
        // Compares in constant time.
        hmac::verify(&key, text.as_bytes(), &self.signature).map_err(|_| SignatureError::Mismatch)
    }

    fn check_time(&self, now: u64) -> Result<(), SignatureError> {
        let signed =
            parse_basic_iso8601(&self.timestamp).ok_or(SignatureError::Malformed("X-Amz-Date"))?;
        let basic = |seconds: u64| iso8601(seconds).replace(['-', ':'], "");
        let stamp = &self.timestamp;
        if signed > now + SKEW_SECONDS {
            let (now, limit) = (basic(now), basic(now + SKEW_SECONDS));
            let text = format!(
                "Signature not yet current: {stamp} is still later than {limit} ({now} + 5 min.)"
            );
            return Err(SignatureError::Time(text));
        }
        let lifetime = self.expires.unwrap_or(SKEW_SECONDS);
        if signed + lifetime < now {
            let (now, limit) = (basic(now), basic(now.saturating_sub(lifetime)));
            let text = format!(
                "Signature expired: {stamp} is now earlier than {limit} ({now} - {} min.)",
                lifetime / 60
            );
            return Err(SignatureError::Time(text));
        }
        Ok(())
    }

    /// The hash that the signature covers: the body's, unless the client says that it left it out.
    fn payload_hash(&self, request: &SignedRequest<'_>) -> Result<String, SignatureError> {
        let actual = hex_hash(request.body);
        match request.header("x-amz-content-sha256") {
            Some("UNSIGNED-PAYLOAD") => Ok("UNSIGNED-PAYLOAD".to_owned()),
            Some(claimed) if claimed != actual => Err(SignatureError::Mismatch),
            Some(_) | None => Ok(actual),
        }
    }

    fn canonical_request(&self, request: &SignedRequest<'_>, payload_hash: &str) -> String {
        let mut text = String::new();
        let is_covered = |name: &str| self.expires.is_none() || name != "X-Amz-Signature";
        let pairs = request.query.iter().filter(|(name, _)| is_covered(name));
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        write_target(&mut text, request.method, request.path, pairs);
        for name in &self.signed_headers {
            let values = request.headers.iter().filter(|(key, _)| key == name);
            write_header(&mut text, name, values.map(|(_, value)| value.as_str()));
        }
        write_end(&mut text, &self.signed_headers.join(";"), payload_hash);
        text
    }
}

impl<'a> SignedRequest<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

fn hex_hash(bytes: &[u8]) -> String {
    let mut text = String::new();
    write_hash(&mut text, bytes);
    text
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// How far the clocks of client and gateway may be apart.
const SKEW_SECONDS: u64 = 300;
/// A week, the longest that a signature in a query may be good for.
const EXPIRES_MAX: u64 = 604_800;

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    /// 2015-08-30T12:36:00Z, the time of AWS's published vectors.
    const NOW: u64 = 1_440_938_160;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn judge(
        target: (&str, &[(&str, &str)]),
        signature: &str,
        now: u64,
    ) -> Result<(), SignatureError> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let headers = pairs(&[
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", &authorization),
        ]);
        let query = pairs(target.1);
        let request = SignedRequest {
            method: "GET",
            path: target.0,
            query: &query,
            headers: &headers,
            body: b"",
        };
        let found = Authorization::find(&request)?.expect("it is signed");
        assert_eq!(
            (found.access_key_id.as_str(), found.region.as_str()),
            ("AKIDEXAMPLE", "us-east-1")
        );
        found.verify(&request, SECRET, now)
    }

    const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    #[test]
    fn published_vectors_are_accepted() {
        assert_eq!(judge(("/", &[]), VANILLA, NOW), Ok(()));
        let ordered = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        let query = [("Param2", "value2"), ("Param1", "value1")];
        assert_eq!(judge(("/", &query), ordered, NOW), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let other = VANILLA.replace('5', "6");
        assert_eq!(judge(("/", &[]), &other, NOW), Err(SignatureError::Mismatch));
        assert_eq!(judge(("/", &[]), "", NOW), Err(SignatureError::Mismatch));
        assert_eq!(judge(("/other", &[]), VANILLA, NOW), Err(SignatureError::Mismatch));
        assert_eq!(judge(("/", &[("a", "b")]), VANILLA, NOW), Err(SignatureError::Mismatch));
        assert!(matches!(judge(("/", &[]), "zz", NOW), Err(SignatureError::Malformed(_))));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_both_ways() {
        for (now, is_good) in
            [(NOW + 300, true), (NOW + 301, false), (NOW - 300, true), (NOW - 301, false)]
        {
            assert_eq!(judge(("/", &[]), VANILLA, now).is_ok(), is_good, "{now}");
        }
        let SignatureError::Time(text) = judge(("/", &[]), VANILLA, NOW + 600).expect_err("old")
        else {
            panic!("another error")
        };
        assert_eq!(
            text,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z \
             (20150830T124600Z - 5 min.)"
        );
    }
}
