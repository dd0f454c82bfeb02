//! Request methods (RFC 9110 section 9).

/// A request method. The text of [`Method::Other`] stays in the buffer it came in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `PATCH`
    Patch,
    /// `OPTIONS`
    Options,
    /// `CONNECT`, which a gateway does not offer
    Connect,
    /// `TRACE`, which is refused
    Trace,
    /// Any other token.
    Other,
}

impl Method {
    /// The method of this token. Methods are case-sensitive.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"PATCH" => Self::Patch,
            b"OPTIONS" => Self::Options,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// The token, `None` for [`Method::Other`].
    #[must_use]
    pub const fn token(self) -> Option<&'static str> {
        match self {
            Self::Get => Some("GET"),
            Self::Head => Some("HEAD"),
            Self::Post => Some("POST"),
            Self::Put => Some("PUT"),
            Self::Delete => Some("DELETE"),
            Self::Patch => Some("PATCH"),
            Self::Options => Some("OPTIONS"),
            Self::Connect => Some("CONNECT"),
            Self::Trace => Some("TRACE"),
            Self::Other => None,
        }
    }

    /// Whether a request may be sent again when no byte of an answer has come
    /// (RFC 9110 section 9.2.2).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(
            self,
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace
        )
    }
}
