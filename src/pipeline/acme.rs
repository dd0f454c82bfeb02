//! What an authority gets that validates a name over HTTP: http-01 of ACME (RFC 8555 section 8.3).

use crate::base::Method;
use crate::coord::{ACME_HTTP_PATH, AcmeChallenges};
use crate::plan::MockPlan;

/// The answer to `GET` (or `HEAD`) on `path` as it was received, if a challenge asks for that. Every
/// listener gives it and for every host: who looks for a token is who was told of it.
#[cold]
pub(super) fn find_answer(
    challenges: &AcmeChallenges,
    method: Method,
    path: &[u8],
) -> Option<MockPlan> {
    if !matches!(method, Method::Get | Method::Head) {
        return None;
    }
    let token = path.strip_prefix(ACME_HTTP_PATH.as_bytes())?;
    let answer = challenges.http_answer(std::str::from_utf8(token).ok()?)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n",
        answer.len()
    );
    let body = answer.as_bytes().into();
    Some(MockPlan { status: 200, head: head.into_bytes().into(), body })
}

/// A short text for whoever asks whether we are there.
#[cold]
pub(super) fn text_answer(text: &str) -> MockPlan {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n",
        text.len()
    );
    MockPlan { status: 200, head: head.into_bytes().into(), body: text.as_bytes().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_under_way_is_answered() {
        let challenges = AcmeChallenges::new();
        let path = b"/.well-known/acme-challenge/token";
        assert!(find_answer(&challenges, Method::Get, path).is_none(), "not yet");
        challenges.add_http("token", "token.thumbprint");
        for method in [Method::Get, Method::Head] {
            let answer = find_answer(&challenges, method, path).expect("under way");
            assert_eq!((answer.status, &*answer.body), (200, &b"token.thumbprint"[..]));
            let head = std::str::from_utf8(&answer.head).expect("text");
            assert!(
                head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with(": 16\r\n"),
                "{head}"
            );
        }
        assert!(find_answer(&challenges, Method::Post, path).is_none());
        for other in [
            &b"/.well-known/acme-challenge/"[..],
            b"/.well-known/acme-challenge/token2",
            b"/.well-known/acme-challenge/tok",
            b"/.well-known/acme-challenge/\xff",
            b"/.well-known/acme-challenge",
            b"/a/.well-known/acme-challenge/token",
        ] {
            assert!(find_answer(&challenges, Method::Get, other).is_none(), "{other:?}");
        }
    }
}
