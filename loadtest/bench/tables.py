"""Markdown tables, as they go into PERFORMANCE.md."""

import statistics

from .measure import REFERENCE, median, ratios

CLOSED_LOOP_COLUMNS = [
    "", "CPU us/request", "user", "system", "requests/s", "p50 us", "p99 us", "p99.9 us",
    "RSS MiB", "failed", "CPU to nginx's, by turn", "median",
]
HANDSHAKE_COLUMNS = [
    "", "handshakes/CPU s", "CPU us/handshake", "user", "system", "handshakes/s", "p50 us",
    "p99 us", "full", "resumed", "tickets", "failed", "to nginx's, by turn", "median",
]
#: More figures than these are told by their quartiles.
LISTED_COUNT_MAX = 8


def number(value, digits):
    """A figure with so many digits behind the point, or a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def spread(figures):
    """Each figure, or where the middle half of them lies."""
    if len(figures) <= LISTED_COUNT_MAX:
        return " ".join(number(one, 2) for one in figures)
    first, _, third = statistics.quantiles(figures, n=4, method="inclusive")
    return f"{number(first, 3)} to {number(third, 3)}"


def middle(figures):
    """Their median, with a digit more where there are many of them."""
    digits = 2 if len(figures) <= LISTED_COUNT_MAX else 3
    return number(statistics.median(figures), digits) if figures else ""


class Table:
    """A heading, a header and rows of text."""

    def __init__(self, title, columns):
        self.title, self.columns, self.rows = title, columns, []

    def add(self, cells):
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append([str(cell) for cell in cells])

    def markdown(self):
        widths = [
            max(len(row[index]) for row in [self.columns, *self.rows])
            for index in range(len(self.columns))
        ]
        lines = [f"**{self.title}**", "", _line(self.columns, widths)]
        lines.append(_line(["-" * max(3, width) for width in widths], widths))
        return "\n".join(lines + [_line(row, widths) for row in self.rows])


def _line(cells, widths):
    padded = (cell.ljust(max(3, width)) for cell, width in zip(cells, widths))
    return "| " + " | ".join(padded) + " |"


def closed_loop_table(title, samples):
    """One row for each server: the medians over its samples, and the ratio of each."""
    table = Table(title, CLOSED_LOOP_COLUMNS)
    for label, turns in samples.items():
        by_turn = [] if label == REFERENCE else ratios(samples, label, "cpu_us")
        table.add([
            label,
            number(median(turns, "cpu_us"), 2),
            number(median(turns, "user_us"), 2),
            number(median(turns, "system_us"), 2),
            number(median(turns, "requests_per_second"), 0),
            number(median(turns, "p50_us"), 0),
            number(median(turns, "p99_us"), 0),
            number(median(turns, "p99_9_us"), 0),
            number(median(turns, "resident_mib"), 1),
            sum(sample["errors"] for sample in turns),
            spread(by_turn),
            middle(by_turn),
        ])
    return table


def handshakes_table(title, samples):
    """The same of handshakes, by CPU second of the server: more is better."""
    table = Table(title, HANDSHAKE_COLUMNS)
    for label, turns in samples.items():
        by_turn = [] if label == REFERENCE else handshake_ratios(samples, label)
        cpu_us = median(turns, "cpu_us")
        table.add([
            label,
            number(1e6 / cpu_us if cpu_us else None, 0),
            number(cpu_us, 1),
            number(median(turns, "user_us"), 1),
            number(median(turns, "system_us"), 1),
            number(median(turns, "requests_per_second"), 0),
            number(median(turns, "p50_us"), 0),
            number(median(turns, "p99_us"), 0),
            *(sum(sample[key] for sample in turns)
              for key in ("full", "resumed", "tickets", "errors")),
            spread(by_turn),
            middle(by_turn),
        ])
    return table


def handshake_ratios(samples, label):
    """Handshakes per CPU second to the reference's, turn by turn."""
    return [1 / ratio for ratio in ratios(samples, label, "cpu_us")]
