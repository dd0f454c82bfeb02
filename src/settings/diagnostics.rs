//! The mistakes of a file, each with its place.
//!
//! Owns how a mistake is told to people and to machines. Knows nothing of keys. A mistake whose
//! span lies outside the text would be rendered without its line, so spans come from the parser
//! alone.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan};

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
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) text: Arc<str>,
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
    /// It is about something that is not there, which a syntax error elsewhere may explain.
    pub(super) is_absence: bool,
}

impl Mistake {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
            label: "here".into(),
            related: Vec::new(),
            help: None,
            is_absence: false,
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

    pub(super) fn absence(mut self) -> Self {
        self.is_absence = true;
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
    /// Byte offset of each line's first byte.
    lines: Vec<usize>,
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
        let ends = source.text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(offset, _)| offset + 1)).collect();
        Self { source, mistakes, lines }
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
            let (line, column) = mistake.span.map_or((0, 0), |span| self.position(span.start));
            let help = mistake.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            Diagnostic { line, column, message: format!("{}{help}", mistake.message) }
        })
    }

    /// The drawing for standard error: with colour and Unicode where that is a terminal and
    /// `NO_COLOR` is not set, else as [`fmt::Display`] draws it.
    #[must_use]
    pub fn render(&self) -> String {
        let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
        self.draw(if plain { GraphicalTheme::none() } else { GraphicalTheme::unicode() })
    }

    fn draw(&self, theme: GraphicalTheme) -> String {
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_context_lines(0)
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

    /// Line and column of a byte offset, both from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied();
        let before = self.source.text.get(start.unwrap_or(0)..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.draw(GraphicalTheme::none()))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Diagnostics {}

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
        if self.mistake.span.is_none() {
            write!(out, "{}: ", self.source.name)?;
        }
        out.write_str(&self.mistake.message)
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
            let place = (span.start, span.end - span.start);
            let make = if is_primary {
                LabeledSpan::new_primary_with_span
            } else {
                LabeledSpan::new_with_span
            };
            make(Some(text.to_owned()), place)
        };
        let span = self.mistake.span?;
        let first = std::iter::once(label(span, &self.mistake.label, true));
        let rest = self.mistake.related.iter().map(move |(span, what)| label(*span, what, false));
        Some(Box::new(first.chain(rest)))
    }
}

impl miette::SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let inner = self.text.as_bytes().read_span(span, lines_before, lines_after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.to_string(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// A file that is no configuration at all can have a mistake on each line; a drawing of them all
/// would hide the first.
const DRAWN_COUNT_MAX: usize = 100;
