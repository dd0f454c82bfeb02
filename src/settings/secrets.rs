//! Secrets in the boot file: no message about it shows one.

/// Whether the value of a key is for nobody's eyes.
pub(super) fn is_secret_key(name: &str) -> bool {
    name == SECRET_KEY
}

/// The text as it may be shown: with an asterisk for each byte of a secret, so that all else stands
/// where it stood.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SECRET_KEY) {
        let (before, behind) = rest.split_at(at + SECRET_KEY.len());
        shown.push_str(before);
        let value_at = behind.find(|one: char| !matches!(one, ' ' | '\t' | '=' | '"' | '\''));
        let (start, value) = behind.split_at(value_at.unwrap_or(behind.len()));
        shown.push_str(start);
        rest = value;
        if start.contains('=') && start.contains(['"', '\'']) {
            let quote = if start.ends_with('"') { '"' } else { '\'' };
            // A text that does not end on its line is a mistake, and told by its beginning.
            let end = value.find([quote, '\n']).unwrap_or(value.len());
            shown.extend(std::iter::repeat_n('*', end));
            rest = &value[end..];
        }
    }
    shown.push_str(rest);
    shown
}

const SECRET_KEY: &str = "secret_access_key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_where_they_stand() {
        for (text, shown) in [
            ("secret_access_key = \"ab'c\"\nb = 1", "secret_access_key = \"****\"\nb = 1"),
            ("{ secret_access_key=\"é\", x }", "{ secret_access_key=\"**\", x }"),
            ("secret_access_key = 'open\nx", "secret_access_key = '****\nx"),
            ("secret_access_key_file = \"/x\"", "secret_access_key_file = \"/x\""),
            ("secret_access_key", "secret_access_key"),
            ("a secret_access_key of \"x\"", "a secret_access_key of \"x\""),
        ] {
            assert_eq!(without_secrets(text), shown);
            assert_eq!(shown.len(), text.len());
        }
    }
}
