"""What a case comes to: tables, samples, bars."""

from dataclasses import dataclass, field


@dataclass
class Bar:
    """A bound on one figure, in the words of the table of PERFORMANCE.md: the most that it may be,
    or the least."""

    what: str
    most: float | None
    measured: float | None
    least: float | None = None

    @property
    def is_met(self):
        if self.measured is None:
            return False
        is_too_much = self.most is not None and self.measured > self.most
        return not is_too_much and (self.least is None or self.measured >= self.least)

    @property
    def bound(self):
        """In words."""
        bounds = [("at least", self.least), ("at most", self.most)]
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


@dataclass
class Result:
    """What a case came to."""

    tables: list
    samples: dict
    bars: list = field(default_factory=list)
    notes: list = field(default_factory=list)
