//! Syntax errors of TOML as mistakes, and which other mistakes are only effects of them.
//!
//! The parser goes on after an error, so that the rest of the file can be checked. What it lost on
//! the way is missing later: to report that too would send people to places that are right.

use toml::de::Error;

use super::diagnostics::{Cause, Mistake, Span};

/// The mistakes of syntax and of meaning together, without those that are effects of another.
pub(super) fn merge(errors: &[Error], mut mistakes: Vec<Mistake>, text: &str) -> Vec<Mistake> {
    if errors.is_empty() {
        return mistakes;
    }
    let echoes_start = echoes_start(errors);
    let is_echo = |start: usize| echoes_start.is_some_and(|first| start > first);
    let syntax: Vec<_> = errors
        .iter()
        .filter(|error| is_unclosed_list(error) || !is_echo(start(error)))
        .map(|error| syntax_mistake(error, text))
        .collect();
    let mut in_header = syntax.iter().take(HEADERS_CHECKED_MAX);
    let is_header_lost = in_header.any(|mistake| is_in_header(mistake.span, text));
    let touched = Touched::new(&syntax);
    mistakes.retain(|mistake| match mistake.cause {
        Cause::Itself => {
            let is_effect = |span: Span| touched.touches(span) || is_echo(span.start);
            !mistake.span.is_some_and(is_effect)
        }
        Cause::AbsentKey => false,
        Cause::AbsentName => !is_header_lost && echoes_start.is_none(),
    });
    mistakes.extend(syntax);
    mistakes
}

/// In a list that is never closed, all that follows is wrong: the first error in it tells that.
/// After this offset stand only effects of it.
fn echoes_start(errors: &[Error]) -> Option<usize> {
    let in_list = errors.iter().filter(|error| error.message().contains("array"));
    in_list.map(start).min().filter(|_| errors.iter().any(is_unclosed_list))
}

fn is_unclosed_list(error: &Error) -> bool {
    error.message().starts_with("unclosed array")
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn syntax_mistake(error: &Error, text: &str) -> Mistake {
    let Some(span) = error.span().map(Span::from) else {
        return Mistake::of_file(error.message());
    };
    let rest = text.get(span.start..).unwrap_or_default().trim_start_matches([' ', '\t']);
    // The parser takes a value that is not there for a text without quotes.
    let is_missing = rest.is_empty() || rest.starts_with(['\r', '\n', '#']);
    if is_missing && error.message().contains("must be quoted") {
        return Mistake::new(span, "a value is missing after `=`");
    }
    Mistake::new(span, error.message())
}

/// The places of syntax errors, by start, each with the greatest end up to it: a file of nothing
/// but errors is to be answered in no time too.
struct Touched(Vec<(usize, usize)>);

impl Touched {
    fn new(syntax: &[Mistake]) -> Self {
        let spans = syntax.iter().filter_map(|mistake| mistake.span);
        let mut places: Vec<_> = spans.map(|span| (span.start, span.end)).collect();
        places.sort_unstable();
        let mut end_max = 0;
        for (_, end) in &mut places {
            end_max = end_max.max(*end);
            *end = end_max;
        }
        Self(places)
    }

    fn touches(&self, span: Span) -> bool {
        let before = self.0.partition_point(|&(start, _)| start <= span.end);
        let last = before.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|&(_, end_max)| end_max >= span.start)
    }
}

fn is_in_header(span: Option<Span>, text: &str) -> bool {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    text.get(start..).is_some_and(|line| line.trim_start().starts_with('['))
}

/// Looking for the line's begin costs its length.
const HEADERS_CHECKED_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_an_error_is_found() {
        let at = |start, end| Mistake::new(Span { start, end }, "");
        let touched = Touched::new(&[at(50, 52), at(10, 40), at(12, 13)]);
        for (start, end, expected) in [
            (0, 9, false),
            (0, 10, true),
            (20, 21, true),
            (40, 41, true),
            (41, 49, false),
            (41, 50, true),
            (52, 60, true),
            (53, 60, false),
        ] {
            assert_eq!(touched.touches(Span { start, end }), expected, "{start} {end}");
        }
    }
}
