//! Signature Version 4, the signing side.

use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;

use super::canonical::{
    ALGORITHM, scope, signing_key, string_to_sign, write_end, write_hash, write_header, write_hex,
    write_target,
};
use super::library::hmac;
use crate::base::iso8601;

/// What AWS gives to whoever may sign.
#[derive(Clone, Eq, PartialEq)]
pub struct SigningCredentials {
    /// What requests name it by.
    pub access_key_id: String,
    /// What they are signed with.
    pub secret_access_key: String,
    /// What temporary credentials have beside it.
    pub session_token: Option<String>,
}

impl fmt::Debug for SigningCredentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningCredentials({}, secret)", self.access_key_id)
    }
}

/// Who signs, and for what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signer {
    /// Whose signature it is.
    pub credentials: SigningCredentials,
    /// `us-east-1`.
    pub region: String,
    /// `lambda`.
    pub service: &'static str,
}

/// Method, path and query of requests that are signed, in their canonical form: made once for a
/// target that stays the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CanonicalTarget(Box<str>);

impl CanonicalTarget {
    /// Of a request with this method and path, as they are sent, and this query, decoded.
    #[must_use]
    pub fn new(method: &str, path: &str, query: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        write_target(&mut text, method, path, query.iter().copied());
        Self(text.into())
    }
}

impl Signer {
    /// Appends the field lines that sign a request at `now_seconds`: its date, the token of temporary
    /// credentials, and the signature over these and over `headers`, which are sent beside them.
    pub fn sign(
        &self,
        keys: &SigningKeys,
        target: &CanonicalTarget,
        headers: &[(&str, &str)],
        body: &[u8],
        now_seconds: u64,
        out: &mut Vec<u8>,
    ) {
        let timestamp = iso8601(now_seconds).replace(['-', ':'], "");
        let date = &timestamp[..DATE_BYTES];
        let token = self.credentials.session_token.as_deref();
        let mut signed: Vec<(String, &str)> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
        signed.push((DATE_HEADER.to_ascii_lowercase(), &timestamp));
        signed.extend(token.map(|token| (TOKEN_HEADER.to_ascii_lowercase(), token)));
        // Stable: the values of one name stay in their order.
        signed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (canonical, names) = canonical_request(target, &signed, body);
        let scope = scope(date, &self.region, self.service);
        let text = string_to_sign(&timestamp, &scope, &canonical);
        let mut signature = String::with_capacity(64);
        let key = |key: &hmac::Key| hmac::sign(key, text.as_bytes());
        write_hex(&mut signature, keys.with(self, date, key).as_ref());
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        line(DATE_HEADER, &timestamp);
        if let Some(token) = token {
            line(TOKEN_HEADER, token);
        }
        let mut value = String::with_capacity(256);
        let id = &self.credentials.access_key_id;
        // A String takes all.
        let _ = write!(
            value,
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        line("Authorization", &value);
    }
}

/// The request, and the names of its headers, joined. `signed` is in the order of names.
fn canonical_request(
    target: &CanonicalTarget,
    signed: &[(String, &str)],
    body: &[u8],
) -> (String, String) {
    let mut text = String::with_capacity(target.0.len() + CANONICAL_BYTES_USUAL);
    text.push_str(&target.0);
    let mut names = String::with_capacity(128);
    for group in signed.chunk_by(|(one, _), (other, _)| one == other) {
        let name = &group[0].0;
        write_header(&mut text, name, group.iter().map(|(_, value)| *value));
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    let mut hash = String::with_capacity(64);
    write_hash(&mut hash, body);
    write_end(&mut text, &names, &hash);
    (text, names)
}

/// The keys of the day, kept by a shard: to derive one takes four signatures.
///
/// # Invariants
///
/// - A key is of the day and the signer that stand beside it.
#[derive(Default)]
pub struct SigningKeys(RefCell<Vec<DayKey>>);

struct DayKey {
    signer: Signer,
    date: [u8; DATE_BYTES],
    key: hmac::Key,
}

impl SigningKeys {
    /// No key yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, signer: &Signer, date: &str, work: impl FnOnce(&hmac::Key) -> T) -> T {
        let mut keys = self.0.borrow_mut();
        let known = keys.iter().position(|one| one.signer == *signer);
        if let Some(known) = known {
            if keys[known].date == date.as_bytes() {
                return work(&keys[known].key);
            }
            keys.swap_remove(known);
        }
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        let secret = &signer.credentials.secret_access_key;
        let key = signing_key(secret, date, &signer.region, signer.service);
        let mut day = [0; DATE_BYTES];
        day.copy_from_slice(date.as_bytes());
        keys.push(DayKey { signer: signer.clone(), date: day, key });
        work(&keys[keys.len() - 1].key)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.borrow().len()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningKeys({})", self.0.borrow().len())
    }
}

const DATE_HEADER: &str = "X-Amz-Date";
const TOKEN_HEADER: &str = "X-Amz-Security-Token";
const DATE_BYTES: usize = "20150830".len();
const CANONICAL_BYTES_USUAL: usize = 512;
/// Keys of one shard: more signers than functions have accounts and regions are rotated secrets.
const KEYS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::{Authorization, SignatureError, SignedRequest};
    use super::*;

    /// 2015-08-30T12:36:00Z, the time of AWS's published vectors.
    const NOW: u64 = 1_440_938_160;
    const DAY: u64 = 86_400;

    fn signer(token: Option<&str>) -> Signer {
        Signer {
            credentials: SigningCredentials {
                access_key_id: "AKIDEXAMPLE".into(),
                secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                session_token: token.map(str::to_owned),
            },
            region: "us-east-1".into(),
            service: "service",
        }
    }

    /// What is signed of one vector, and the signature that AWS published.
    struct Vector {
        name: &'static str,
        method: &'static str,
        path: &'static str,
        query: &'static [(&'static str, &'static str)],
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
        token: Option<&'static str>,
        signature: &'static str,
    }

    const PLAIN: Vector = Vector {
        name: "",
        method: "GET",
        path: "/",
        query: &[],
        headers: &[],
        body: "",
        token: None,
        signature: "",
    };

    const VECTORS: &[Vector] = &[
        Vector {
            name: "get-vanilla",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ..PLAIN
        },
        Vector {
            name: "get-vanilla-query-order-encoded",
            query: &[("Param-3", "Value3"), ("Param", "Value2"), ("ሴ", "Value1")],
            signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ..PLAIN
        },
        Vector {
            name: "get-vanilla-empty-query-key",
            query: &[("Param1", "value1")],
            signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ..PLAIN
        },
        Vector {
            name: "get-vanilla-query-unreserved",
            query: &[(
                "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            )],
            signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ..PLAIN
        },
        Vector {
            name: "get-vanilla-utf8-query",
            query: &[("ሴ", "bar")],
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ..PLAIN
        },
        Vector {
            name: "get-vanilla-with-session-token",
            token: Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
            signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ..PLAIN
        },
        Vector {
            name: "get-header-key-duplicate",
            headers: &[
                ("My-Header1", "value2"),
                ("My-Header1", "value2"),
                ("My-Header1", "value1"),
            ],
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ..PLAIN
        },
        Vector {
            name: "get-header-value-order",
            headers: &[
                ("My-Header1", "value4"),
                ("My-Header1", "value1"),
                ("My-Header1", "value3"),
                ("My-Header1", "value2"),
            ],
            signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            ..PLAIN
        },
        Vector {
            name: "get-header-value-trim",
            headers: &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ..PLAIN
        },
        Vector {
            name: "get-utf8",
            path: "/ሴ",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ..PLAIN
        },
        Vector {
            name: "get-space-normalized",
            path: "/example space/",
            signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            ..PLAIN
        },
        Vector {
            name: "get-relative-normalized",
            path: "/example/..",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ..PLAIN
        },
        Vector {
            name: "get-slashes-normalized",
            path: "//example//",
            signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            ..PLAIN
        },
        Vector {
            name: "get-unreserved",
            path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ..PLAIN
        },
        Vector {
            name: "post-header-key-case",
            method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ..PLAIN
        },
        Vector {
            name: "post-header-key-sort",
            method: "POST",
            headers: &[("My-Header1", "value1")],
            signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ..PLAIN
        },
        Vector {
            name: "post-header-value-case",
            method: "POST",
            headers: &[("My-Header1", "VALUE1")],
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            ..PLAIN
        },
        Vector {
            name: "post-sts-header-before",
            method: "POST",
            token: Some(
                "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
            ),
            signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ..PLAIN
        },
        Vector {
            name: "post-vanilla",
            method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ..PLAIN
        },
        Vector {
            name: "post-vanilla-query",
            method: "POST",
            query: &[("Param1", "value1")],
            signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ..PLAIN
        },
        Vector {
            name: "post-x-www-form-urlencoded",
            method: "POST",
            headers: &[
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Content-Length", "13"),
                (
                    "X-Amz-Content-Sha256",
                    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                ),
            ],
            body: "Param1=value1",
            signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ..PLAIN
        },
        Vector {
            name: "post-x-www-form-urlencoded-parameters",
            method: "POST",
            headers: &[
                ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("Content-Length", "13"),
                (
                    "X-Amz-Content-Sha256",
                    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                ),
            ],
            body: "Param1=value1",
            signature: "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            ..PLAIN
        },
    ];

    fn sign(signer: &Signer, vector: &Vector, keys: &SigningKeys, now: u64) -> String {
        let target = CanonicalTarget::new(vector.method, vector.path, vector.query);
        let host = [("Host", "example.amazonaws.com")];
        let headers: Vec<_> = host.iter().chain(vector.headers).copied().collect();
        let mut out = Vec::new();
        signer.sign(keys, &target, &headers, vector.body.as_bytes(), now, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn published_vectors_are_signed_as_published() {
        for vector in VECTORS {
            let lines = sign(&signer(vector.token), vector, &SigningKeys::new(), NOW);
            let signature = lines.trim_end().rsplit('=').next();
            assert_eq!(signature, Some(vector.signature), "{}: {lines}", vector.name);
            assert!(lines.starts_with("X-Amz-Date: 20150830T123600Z\r\n"), "{lines}");
        }
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect()
    }

    /// Signs an invocation, and has the verifier judge it with `secret` and `body`.
    fn judge(secret: &str, body: &[u8], now: u64) -> Result<(), SignatureError> {
        let path = "/2015-03-31/functions/arn%3Aaws/invocations";
        let query = [("Qualifier", "$LATEST")];
        let headers = [("Host", "lambda.us-east-1.amazonaws.com"), ("Content-Type", "a  b")];
        let target = CanonicalTarget::new("POST", path, &query);
        let mut out = Vec::new();
        let signer = signer(Some("token"));
        signer.sign(&SigningKeys::new(), &target, &headers, b"{}", NOW, &mut out);
        let lines = String::from_utf8(out).expect("ASCII");
        let added: Vec<_> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
        let headers = owned(&[&headers[..], &added[..]].concat());
        let query = [("Qualifier".to_owned(), "$LATEST".to_owned())];
        let request =
            SignedRequest { method: "POST", path, query: &query, headers: &headers, body };
        let found = Authorization::find(&request)?.expect("it is signed");
        assert_eq!((&*found.access_key_id, &*found.service), ("AKIDEXAMPLE", "service"));
        found.verify(&request, secret, now)
    }

    #[test]
    fn the_verifier_takes_what_was_signed_and_nothing_else() {
        let secret = &*signer(None).credentials.secret_access_key;
        assert_eq!(judge(secret, b"{}", NOW), Ok(()));
        assert_eq!(judge("other", b"{}", NOW), Err(SignatureError::Mismatch));
        assert_eq!(judge(secret, b"{ }", NOW), Err(SignatureError::Mismatch));
        assert!(matches!(judge(secret, b"{}", NOW + 301), Err(SignatureError::Time(_))));
    }

    #[test]
    fn a_key_is_derived_once_a_day_and_not_used_on_the_next() {
        let (signer, keys) = (signer(None), SigningKeys::new());
        for now in [NOW, NOW + 60, NOW + DAY, NOW] {
            let fresh = sign(&signer, &PLAIN, &SigningKeys::new(), now);
            assert_eq!(sign(&signer, &PLAIN, &keys, now), fresh);
            assert_eq!(keys.count(), 1);
        }
    }

    #[test]
    fn rotated_secrets_leave_no_more_keys_than_there_may_be() {
        let keys = SigningKeys::new();
        for number in 0..KEYS_MAX * 2 + 1 {
            let mut signer = signer(None);
            signer.credentials.secret_access_key = format!("secret{number}");
            sign(&signer, &PLAIN, &keys, NOW);
            assert!(keys.count() <= KEYS_MAX);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let (signer, keys) = (signer(Some("token")), SigningKeys::new());
        sign(&signer, &PLAIN, &keys, NOW);
        let shown = format!("{signer:?} {keys:?}");
        assert!(!shown.contains("wJalr") && !shown.contains("token"), "{shown}");
    }
}
