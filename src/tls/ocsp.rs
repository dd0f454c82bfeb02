//! What an OCSP response says (RFC 6960), as far as a server must know that staples it.
//!
//! The signature is for clients to verify, who have the issuer's key at hand. Here a response is
//! refused that would make them drop the connection: no success, for another certificate, or for
//! one that is not good.

use x509_parser::prelude::ASN1Time;

/// A response that may be stapled.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Staple {
    /// When it is over, in seconds since 1970; `None` if it does not say.
    pub(super) next_update: Option<i64>,
}

/// Checks the response for the certificate of that serial number. The error is a sentence.
pub(super) fn check_staple(response: &[u8], serial: &[u8]) -> Result<Staple, String> {
    let malformed = || "is no OCSP response in DER".to_owned();
    let mut response = Der(response).enter(SEQUENCE).ok_or_else(malformed)?;
    let status = response.enter(ENUMERATED).ok_or_else(malformed)?;
    if status.0 != [0] {
        return Err(format!("is an OCSP response without success (status {:?})", status.0));
    }
    let single = find_single(response, serial);
    let Some(single) = single.ok_or_else(malformed)? else {
        return Err("is an OCSP response for another certificate".into());
    };
    match single.status {
        GOOD => Ok(Staple { next_update: single.next_update }),
        REVOKED => Err("says that the certificate is revoked".into()),
        _ => Err("says that its responder does not know the certificate".into()),
    }
}

struct Single {
    status: u8,
    next_update: Option<i64>,
}

/// The answer for the serial number, if there is one; `None` outside if it cannot be read.
fn find_single(mut response: Der<'_>, serial: &[u8]) -> Option<Option<Single>> {
    let mut bytes = response.enter(EXPLICIT_0)?.enter(SEQUENCE)?;
    bytes.enter(OBJECT_IDENTIFIER)?;
    let mut basic = bytes.enter(OCTET_STRING)?.enter(SEQUENCE)?;
    let mut data = basic.enter(SEQUENCE)?;
    data.skip_if(EXPLICIT_0); // version
    data.next()?; // responder
    data.next()?; // produced at
    let mut singles = data.enter(SEQUENCE)?;
    while !singles.0.is_empty() {
        let mut single = singles.enter(SEQUENCE)?;
        let mut id = single.enter(SEQUENCE)?;
        for _ in 0..3 {
            id.next()?; // algorithm and two hashes
        }
        let found = id.enter(INTEGER)?;
        let (status, _) = single.next()?;
        single.next()?; // this update
        let next_update = match single.enter(EXPLICIT_0) {
            Some(mut time) => Some(generalized_time(time.enter(GENERALIZED_TIME)?.0)?),
            None => None,
        };
        if found.0 == serial {
            return Some(Some(Single { status, next_update }));
        }
    }
    Some(None)
}

/// `20260805093604Z`.
fn generalized_time(text: &[u8]) -> Option<i64> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 0x80)?;
    let mut der = vec![GENERALIZED_TIME, length];
    der.extend_from_slice(text);
    let (_, time) = <ASN1Time as x509_parser::prelude::FromDer<'_, _>>::from_der(&der).ok()?;
    Some(time.timestamp())
}

/// Bytes of DER that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value if it has this tag; then it is behind.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        let before = *self;
        match self.next() {
            Some((found, content)) if found == tag => Some(content),
            _ => {
                *self = before;
                None
            }
        }
    }

    fn skip_if(&mut self, tag: u8) {
        let _ = self.enter(tag);
    }

    /// Tag and content of the next value.
    pub(super) fn next(&mut self) -> Option<(u8, Self)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Self(content)))
    }
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;
/// Context tags of `CertStatus`.
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut der = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => der.push(length),
            _ => {
                der.push(0x82);
                der.extend(u16::try_from(content.len()).expect("short").to_be_bytes());
            }
        }
        der.extend(content);
        der
    }

    /// A response without a good signature, which nobody here verifies.
    pub(in crate::tls) fn response(serial: &[u8], status: u8, next_update: &str) -> Vec<u8> {
        let algorithm = value(SEQUENCE, &[&value(OBJECT_IDENTIFIER, &[&[0x2b, 14, 3, 2, 26]])]);
        let hash = value(OCTET_STRING, &[&[7; 20]]);
        let id = value(SEQUENCE, &[&algorithm, &hash, &hash, &value(INTEGER, &[serial])]);
        let time = value(GENERALIZED_TIME, &[b"20260101000000Z"]);
        let status = match status {
            REVOKED => value(REVOKED, &[&time]),
            status => value(status, &[]),
        };
        let next = value(EXPLICIT_0, &[&value(GENERALIZED_TIME, &[next_update.as_bytes()])]);
        let single = value(SEQUENCE, &[&id, &status, &time, &next]);
        let responder = value(0xa2, &[&hash]);
        let data = value(SEQUENCE, &[&responder, &time, &value(SEQUENCE, &[&single])]);
        let basic = value(SEQUENCE, &[&data, &algorithm, &value(0x03, &[&[0; 65]])]);
        let oid = value(OBJECT_IDENTIFIER, &[&[0x2b, 6, 1, 5, 5, 7, 48, 1, 1]]);
        let bytes = value(SEQUENCE, &[&oid, &value(OCTET_STRING, &[&basic])]);
        value(SEQUENCE, &[&value(ENUMERATED, &[&[0]]), &value(EXPLICIT_0, &[&bytes])])
    }

    #[test]
    fn a_good_response_says_when_it_is_over() {
        let good = response(&[5, 6], GOOD, "20260805093604Z");
        let staple = check_staple(&good, &[5, 6]);
        assert_eq!(staple, Ok(Staple { next_update: Some(1_785_922_564) }));
    }

    #[test]
    fn what_would_end_connections_is_refused() {
        let says = |response: &[u8], part: &str| {
            let reason = check_staple(response, &[5]).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        };
        says(&response(&[6], GOOD, "20260805093604Z"), "another certificate");
        says(&response(&[5], REVOKED, "20260805093604Z"), "revoked");
        says(&response(&[5], 0x82, "20260805093604Z"), "does not know");
        says(&value(SEQUENCE, &[&value(ENUMERATED, &[&[6]])]), "without success");
        says(b"-----BEGIN OCSP RESPONSE-----", "no OCSP response");
    }

    #[test]
    fn every_cut_response_is_refused_and_none_panics() {
        let good = response(&[5], GOOD, "20260805093604Z");
        for length in 0..good.len() {
            assert!(check_staple(&good[..length], &[5]).is_err(), "{length}");
        }
        for index in 0..good.len() {
            let mut bent = good.clone();
            bent[index] ^= 0xff;
            let _ = check_staple(&bent, &[5]);
        }
    }
}
