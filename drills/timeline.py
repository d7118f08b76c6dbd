"""The answers that the clients of a drill got, and the faults that it caused."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Answer:
    second: float  # since the drill began
    outcome: str  # the status, or the name of the exception
    seconds: float


@dataclass
class Timeline:
    began: float = field(default_factory=time.perf_counter)
    answers: list[Answer] = field(default_factory=list)
    faults: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.perf_counter() - self.began

    def note(self, sent: float, outcome: object) -> None:
        """Add an answer that arrives now, to a request sent at the second `sent`."""
        self.answers.append(Answer(sent, str(outcome), self.now - sent))

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        began = self.now
        try:
            yield
        finally:
            self.faults.append((name, began, self.now))

    def seconds(self, outcome: str) -> list[float]:
        """List how long the answers with this outcome took."""
        return [each.seconds for each in self.answers if each.outcome == outcome]

    def counts(self) -> Counter[str]:
        return Counter(answer.outcome for answer in self.answers)

    def other_than(self, *expected: str) -> list[str]:
        """Describe the answers with other outcomes, one line for each outcome."""
        counts = self.counts().items()
        return [f"{n} requests: {what}" for what, n in counts if what not in expected]

    def __str__(self) -> str:
        return ", ".join(f"{n:,} {what}" for what, n in sorted(self.counts().items()))


@dataclass
class Outcome:
    """The result of a drill: the figures, and those that break the promise."""

    figures: str
    broken: list[str]
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def kept(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        return "\n".join([self.figures, *(f"BROKEN: {each}" for each in self.broken)])


def p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98] if len(seconds) > 1 else 0.0
