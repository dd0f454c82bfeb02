"""Markdown tables, as they go into PERFORMANCE.md."""

import statistics

from .measure import REFERENCE, median, ratios

CLOSED_LOOP_COLUMNS = [
    "", "CPU us/request", "user", "system", "requests/s", "p50 us", "p99 us", "p99.9 us",
    "RSS MiB", "failed", "CPU to nginx's, by round", "median",
]


def number(value, digits):
    """A figure with so many digits behind the point, or a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


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
    """One row for each server: the medians over the rounds, and each round's ratio."""
    table = Table(title, CLOSED_LOOP_COLUMNS)
    for label, rounds in samples.items():
        by_round = [] if label == REFERENCE else ratios(samples, label, "cpu_us")
        table.add([
            label,
            number(median(rounds, "cpu_us"), 2),
            number(median(rounds, "user_us"), 2),
            number(median(rounds, "system_us"), 2),
            number(median(rounds, "requests_per_second"), 0),
            number(median(rounds, "p50_us"), 0),
            number(median(rounds, "p99_us"), 0),
            number(median(rounds, "p99_9_us"), 0),
            number(median(rounds, "resident_mib"), 1),
            sum(sample["errors"] for sample in rounds),
            " ".join(number(one, 2) for one in by_round),
            number(statistics.median(by_round), 2) if by_round else "",
        ])
    return table
