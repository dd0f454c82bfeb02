//! The mistakes of a file, each with its place.
//!
//! Owns how a mistake is told to people and to machines. Knows nothing of keys. A mistake whose
//! span lies outside the text would be rendered without its line, so spans come from the parser
//! alone.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan};

use super::secrets::without_secrets;

/// A range of bytes of the file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self { start: range.start, end: range.end.max(range.start) }
    }
}

/// A file's name and text.
#[derive(Clone)]
pub(super) struct Source {
    name: Arc<str>,
    text: Arc<str>,
    /// Byte offset of each line's first byte.
    lines: Arc<[usize]>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(offset, _)| offset + 1)).collect();
        // A caret can be drawn under the end of the text only if a line ends there.
        let mut text = without_secrets(text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let text = text.into();
        Self { name: name.into(), text, lines }
    }

    /// Line and column in characters of a byte offset, both from 0.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count())
    }

    /// The lines from that of `start` to that of `end`.
    fn whole_lines(&self, start: usize, end: usize) -> Span {
        let (first, last) = (self.position(start).0, self.position(end).0);
        let begin = self.lines.get(first).copied().unwrap_or_default();
        let next = self.lines.get(last + 1).copied().unwrap_or(self.text.len());
        Span { start: begin, end: next.max(begin) }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One mistake as the reader found it.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    /// `None` for a mistake of the file as a whole.
    pub(super) span: Option<Span>,
    /// What the caret says.
    pub(super) label: String,
    /// Other places that the mistake is about, with what they are.
    pub(super) related: Vec<(Span, String)>,
    /// What would be right.
    pub(super) help: Option<String>,
    pub(super) cause: Cause,
}

/// What a mistake may be the effect of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// Nothing but itself.
    Itself,
    /// A key is not there, which a syntax error elsewhere may explain.
    AbsentKey,
    /// A name is not there, which a table whose header has a syntax error may explain.
    AbsentName,
}

impl Mistake {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
            label: "here".into(),
            related: Vec::new(),
            help: None,
            cause: Cause::Itself,
        }
    }

    pub(super) fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, ..Self::new(Span::default(), message) }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }
}

/// Every mistake of one file, in the order of the file. Never empty.
///
/// [`fmt::Display`] draws each with its line and a caret, without colour; [`Self::render`] adds
/// colour where standard error is a terminal.
#[derive(Clone)]
pub struct Diagnostics {
    source: Source,
    mistakes: Vec<Mistake>,
}

/// One mistake for machines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// The line, from 1; 0 for a mistake of the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 for a mistake of the file as a whole.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Diagnostics {
    pub(super) fn new(source: Source, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.span.map(|span| (span.start, span.end)));
        mistakes.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        debug_assert!(!mistakes.is_empty(), "a file without mistakes has no diagnostics");
        Self { source, mistakes }
    }

    /// How many mistakes there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// The mistakes for machines, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.mistakes.iter().map(|mistake| {
            let place = mistake.span.map(|span| self.source.position(span.start));
            let (line, column) = place.map_or((0, 0), |(line, column)| (line + 1, column + 1));
            let help = mistake.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            Diagnostic { line, column, message: format!("{}{help}", mistake.message) }
        })
    }

    /// The drawing for standard error: with colour and Unicode where that is a terminal and
    /// `NO_COLOR` is not set, else as [`fmt::Display`] draws it.
    #[must_use]
    pub fn render(&self) -> String {
        let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
        self.draw(if plain { plain_theme() } else { GraphicalTheme::unicode() })
    }

    fn draw(&self, theme: GraphicalTheme) -> String {
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_context_lines(1) // see `Source::read_span`
            .with_primary_span_start();
        let mut text = String::new();
        for mistake in self.mistakes.iter().take(DRAWN_COUNT_MAX) {
            let report = Report { source: &self.source, mistake };
            if handler.render_report(&mut text, &report).is_err() {
                text.push_str(&mistake.message);
            }
            text.push('\n');
        }
        let name = &self.source.name;
        match self.len() {
            1 => text.push_str(&format!("{name}: 1 mistake\n")),
            count if count > DRAWN_COUNT_MAX => text.push_str(&format!(
                "{name}: {count} mistakes, of which the first {DRAWN_COUNT_MAX} are shown\n"
            )),
            count => text.push_str(&format!("{name}: {count} mistakes\n")),
        }
        text
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.draw(plain_theme()))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Diagnostics {}

/// ASCII without colour, and a caret even below a single character.
fn plain_theme() -> GraphicalTheme {
    let mut theme = GraphicalTheme::none();
    theme.characters.underbar = '^';
    theme
}

/// One mistake as miette wants to see it.
struct Report<'a> {
    source: &'a Source,
    mistake: &'a Mistake,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(out)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, message) = (&self.source.name, &self.mistake.message);
        match self.mistake.span {
            None => write!(out, "{name}: {message}"),
            Some(span) if self.drawn_span().is_none() => {
                let (line, column) = self.source.position(span.start);
                write!(out, "{name}:{}:{}: {message}", line + 1, column + 1)
            }
            Some(_) => out.write_str(message),
        }
    }
}

impl Report<'_> {
    /// The mistake's place, unless a line is too long to draw.
    fn drawn_span(&self) -> Option<Span> {
        let span = self.mistake.span?;
        let is_drawable = |span: &Span| {
            let line = self.source.whole_lines(span.start, span.start);
            line.end - line.start <= DRAWN_LINE_BYTES_MAX
        };
        let mut spans = self.mistake.related.iter().map(|(span, _)| span).chain([&span]);
        spans.all(is_drawable).then_some(span)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |span: Span, text: &str, is_primary: bool| {
            let end = span.end.min(self.source.whole_lines(span.start, span.start).end);
            let place = (span.start, end.saturating_sub(span.start));
            let make = if is_primary {
                LabeledSpan::new_primary_with_span
            } else {
                LabeledSpan::new_with_span
            };
            make(Some(text.to_owned()), place)
        };
        let span = self.drawn_span()?;
        let first = std::iter::once(label(span, &self.mistake.label, true));
        let rest = self.mistake.related.iter().map(move |(span, what)| label(*span, what, false));
        Some(Box::new(first.chain(rest)))
    }
}

/// Gives whole lines and no others, except that a request without context is for the place of the
/// span itself. Finds them by the index: miette's own search would read the file from
/// its start for each mistake.
impl miette::SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let end = span.offset().saturating_add(span.len());
        if end > self.text.len() {
            return Err(miette::MietteError::OutOfBounds);
        }
        let is_place = lines_before == 0 && lines_after == 0;
        let shown = self.whole_lines(span.offset(), end.saturating_sub(1).max(span.offset()));
        let data = self.text.as_bytes().get(shown.start..shown.end).unwrap_or_default();
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.to_string(),
            data,
            (shown.start, data.len()).into(),
            self.position(shown.start).0,
            if is_place { self.position(span.offset()).1 } else { 0 },
            self.position(shown.end).0,
        )))
    }
}

/// A file that is no configuration at all can have a mistake on each line; a drawing of them all
/// would hide the first.
const DRAWN_COUNT_MAX: usize = 100;
/// A caret below a longer line would be out of sight; and miette counts columns in 16 bits.
const DRAWN_LINE_BYTES_MAX: usize = 4_096;
