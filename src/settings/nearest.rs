//! Which of the known names someone may have meant.

/// The name of `names` with the fewest edits to `text`, if few enough to be a slip.
pub(super) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.chars().count() > NAME_CHARS_MAX {
        return None;
    }
    let scored = names.into_iter().map(|name| (edits(text, name), name));
    let (count, name) = scored.min_by_key(|&(count, _)| count)?;
    (count <= (text.chars().count().max(3) / 3)).then_some(name)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn edits(from: &str, into: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let into: Vec<char> = into.chars().collect();
    // Three rows of the table are enough: the one being filled and the two above it.
    let mut above: Vec<usize> = (0..=into.len()).collect();
    let mut two_above = above.clone();
    for (row, &a) in from.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, &b) in into.iter().enumerate() {
            let mut best = above[column] + usize::from(a != b);
            best = best.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == into[column - 1] && from[row - 1] == b {
                best = best.min(two_above[column - 1] + 1);
            }
            current.push(best);
        }
        two_above = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["address", "backlog", "reuse_port", "name"];
        assert_eq!(nearest("adress", names), Some("address"));
        assert_eq!(nearest("bakclog", names), Some("backlog"));
        assert_eq!(nearest("reuseport", names), Some("reuse_port"));
        assert_eq!(nearest("nmae", names), Some("name"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"x".repeat(65), ["x"]), None);
    }

    #[test]
    fn edits_are_counted() {
        for (from, into, count) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("ab", "ba", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(from, into), count, "{from} {into}");
        }
    }
}
