//! Links to the zips of functions, as `GetFunction` gives them: whoever has one may download for ten
//! minutes, as on AWS.
//!
//! The key is made at the start of the process, so that links end with it.

use super::code::{hex, load_zip};
use crate::control::management::error::{ApiError, Code};
use crate::sign::hmac;
use crate::sign::rand::{SecureRandom as _, SystemRandom};
use crate::store::{Key, Store};

/// Makes links and follows them.
pub(in crate::control::management) struct CodeLinks(hmac::Key);

impl CodeLinks {
    pub(in crate::control::management) fn new() -> Self {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).expect("the kernel's random source does not fail");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The URL of the zip at `path` (see [`path_of`]) on `host`.
    pub(in crate::control::management) fn link(
        &self,
        host: &str,
        path: &str,
        now_seconds: u64,
    ) -> String {
        let expires = now_seconds + LINK_SECONDS;
        let signature = hex(hmac::sign(&self.0, signed(path, expires).as_bytes()).as_ref());
        format!("http://{host}{path}?expires={expires}&signature={signature}")
    }

    /// The zip that a request asks for by a link; `None` if it asks for something else.
    pub(in crate::control::management) fn follow(
        &self,
        store: &Store,
        path: &str,
        query: &[(String, String)],
        now_seconds: u64,
    ) -> Option<Result<Vec<u8>, ApiError>> {
        let rest = path.strip_prefix(LINK_PATH)?;
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, text)| text);
        let expires = value("expires").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let signature = value("signature").and_then(|text| from_hex(text)).unwrap_or_default();
        let is_signed = hmac::verify(&self.0, signed(path, expires).as_bytes(), &signature).is_ok();
        if !is_signed || now_seconds > expires {
            let message = "The link is not valid any more";
            return Some(Err(ApiError::new(Code::UnrecognizedClient, message)));
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let [region, name, hash] = parts[..] else { return None };
        let zip = store
            .snapshot()
            .and_then(|one| load_zip(&one, &Key::new(&[region, "functions", name]), hash));
        Some(match zip {
            Ok(Some(zip)) => Ok(zip),
            Ok(None) => {
                Err(ApiError::new(Code::ResourceNotFound, "The code is not there any more"))
            }
            Err(error) => Err(error.into()),
        })
    }
}

/// Where the zip with a hash lies, of a function.
pub(super) fn path_of(region: &str, name: &str, hash: &str) -> String {
    format!("{LINK_PATH}{region}/{name}/{hash}")
}

fn signed(path: &str, expires: u64) -> String {
    format!("{path}\n{expires}")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

const LINK_PATH: &str = "/_shardgate/functions/";
/// As long as those of AWS ("GetFunction").
const LINK_SECONDS: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_were_given_are_followed() {
        let store = Store::in_memory(Box::new(|_| {})).expect("a store");
        let links = CodeLinks::new();
        let path = path_of("r", "f", "00");
        let link = links.link("localhost:8081", &path, 100);
        let (_, query) = link.split_once('?').expect("a query");
        let query: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let code = |links: &CodeLinks, path: &str, query: &[(String, String)], now| {
            Some(links.follow(&store, path, query, now)?.expect_err("no such code").code)
        };
        assert_eq!(code(&links, &path, &query, 700), Some(Code::ResourceNotFound));
        assert_eq!(code(&links, &path, &query, 701), Some(Code::UnrecognizedClient));
        let other = path_of("r", "g", "00");
        assert_eq!(code(&links, &other, &query, 100), Some(Code::UnrecognizedClient));
        assert_eq!(code(&links, &path, &[], 100), Some(Code::UnrecognizedClient));
        assert_eq!(code(&CodeLinks::new(), &path, &query, 100), Some(Code::UnrecognizedClient));
        assert_eq!(code(&links, "/restapis", &query, 100), None);
    }
}
