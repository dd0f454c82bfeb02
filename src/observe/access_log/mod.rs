//! The access log: a format with AWS's `$context` variables, compiled once, rendered per request.
