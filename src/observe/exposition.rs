//! The text form that Prometheus reads (Prometheus documentation, "Exposition formats").

use std::fmt::Write;

use super::histogram::HistogramSum;
use crate::base::Nanos;

/// Appends families to a text: each with its HELP and TYPE, label values escaped.
#[derive(Debug)]
pub(super) struct Exposition<'a> {
    out: &'a mut String,
    name: &'static str,
}

/// Labels of one sample, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl<'a> Exposition<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out, name: "" }
    }

    /// Begins a family of counters.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) {
        debug_assert!(name.ends_with("_total"), "counters end in _total: {name}");
        self.family(name, "counter", help);
    }

    /// Begins a family of gauges.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) {
        self.family(name, "gauge", help);
    }

    /// Begins a family of histograms.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) {
        self.family(name, "histogram", help);
    }

    /// One sample of the family.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: u64) {
        self.series("", labels, None);
        self.out.push_str(itoa::Buffer::new().format(value));
        self.out.push('\n');
    }

    /// One sample in seconds.
    pub(super) fn sample_seconds(&mut self, labels: Labels<'_>, value: Nanos) {
        self.series("", labels, None);
        push_seconds(value, self.out);
        self.out.push('\n');
    }

    /// The buckets, the sum and the count of one histogram of durations.
    pub(super) fn buckets(&mut self, labels: Labels<'_>, sum: &HistogramSum, bounds: &[Nanos]) {
        let mut bound_text = String::new();
        for (bound, count) in sum.cumulated(bounds) {
            bound_text.clear();
            push_seconds(bound, &mut bound_text);
            self.series("_bucket", labels, Some(&bound_text));
            self.number(count);
        }
        let count = sum.count();
        self.series("_bucket", labels, Some("+Inf"));
        self.number(count);
        self.series("_sum", labels, None);
        push_seconds(sum.sum(), self.out);
        self.out.push('\n');
        self.series("_count", labels, None);
        self.number(count);
    }

    fn number(&mut self, value: u64) {
        self.out.push_str(itoa::Buffer::new().format(value));
        self.out.push('\n');
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        debug_assert!(!help.contains(['\\', '\n']), "help is ours and needs no escape");
        self.name = name;
        // Writing to a string cannot fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn series(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.out.push(open);
            open = ',';
            self.out.push_str(name);
            self.out.push_str("=\"");
            push_escaped(value, self.out);
            self.out.push('"');
        }
        self.out.push_str(if open == ',' { "} " } else { " " });
    }
}

/// A label value: backslash, quote and newline are escaped.
fn push_escaped(value: &str, out: &mut String) {
    for one in value.chars() {
        match one {
            '\\' => out.push_str(r"\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str(r"\n"),
            other => out.push(other),
        }
    }
}

/// Seconds in decimal, exact to the nanosecond, without zeros at the end.
fn push_seconds(span: Nanos, out: &mut String) {
    let _ = write!(out, "{}.{:09}", span.0 / 1_000_000_000, span.0 % 1_000_000_000);
    let shorter = out.trim_end_matches('0').trim_end_matches('.').len();
    out.truncate(shorter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;

    fn seconds(nanos: u64) -> String {
        let mut out = String::new();
        push_seconds(Nanos(nanos), &mut out);
        out
    }

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(10_000_000_000), "10");
        assert_eq!(seconds(15_625), "0.000015625");
        assert_eq!(seconds(1_024_000_000), "1.024");
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut out = String::new();
        let mut text = Exposition::new(&mut out);
        text.counter("a_total", "Things.");
        text.sample(&[("one", "a\"b\\c\nd"), ("two", "{}")], 1);
        text.sample(&[], 2);
        assert_eq!(
            out,
            "# HELP a_total Things.\n# TYPE a_total counter\n\
             a_total{one=\"a\\\"b\\\\c\\nd\",two=\"{}\"} 1\na_total 2\n"
        );
    }

    #[test]
    fn histograms_are_cumulated_and_end_at_infinity() {
        let (histogram, mut sum) = (Histogram::default(), HistogramSum::default());
        for span in [1_000_000, 3_000_000, 9_000_000_000] {
            histogram.record(Nanos(span));
        }
        sum.add(&histogram);
        let mut out = String::new();
        let mut text = Exposition::new(&mut out);
        text.histogram("a_seconds", "Durations.");
        text.buckets(&[("x", "y")], &sum, &[Nanos::from_millis(1), Nanos::from_millis(4)]);
        let samples: Vec<&str> = out.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "a_seconds_bucket{x=\"y\",le=\"0.001\"} 1",
                "a_seconds_bucket{x=\"y\",le=\"0.004\"} 2",
                "a_seconds_bucket{x=\"y\",le=\"+Inf\"} 3",
                "a_seconds_sum{x=\"y\"} 9.004",
                "a_seconds_count{x=\"y\"} 3",
            ]
        );
    }
}
