"""What is known of a generated set before anything is trained on it: two scores that bracket every model."""

from dataclasses import dataclass

__all__ = ["Known"]


@dataclass(frozen=True)
class Known:
    """A score and its two ends, both from mathematics, not from a run.

    Attributes:
        metric: as recipes name it ("nll", "error"), without the split.
        floor: the score of a model that ignores the inputs.
        optimum: the best possible score, of the source itself; None where it is not known.
        unit: of both.
        reasons: where the two come from.
    """

    metric: str
    floor: float
    optimum: float | None
    unit: str = ""
    reasons: tuple[str, str] = ("", "")

    def line(self) -> str:
        """For people."""
        ends = [("floor", self.floor, self.reasons[0]), ("optimum", self.optimum, self.reasons[1])]
        told = [
            f"{name} {value:.6g}{f' {self.unit}' if self.unit else ''}{f' ({reason})' if reason else ''}"
            for name, value, reason in ends
            if value is not None
        ]
        return f"known of {self.metric}: {', '.join(told)}"
