"""Early stopping: when to stop (patience, Prechelt's GL, PQ and UP) and which weights to keep, from the losses alone.

Papers: Prechelt 1998, "Early stopping - but when?" (Neural Networks: Tricks of the Trade, LNCS 1524); the criterion of
patience as in Bengio 2012 (arXiv:1206.5533, section 3.1).

E_t is the validation loss and F_t the training loss at evaluation t = 1 ... T; k the length of a strip of evaluations.

    E_opt(t) = min_{s <= t} E_s;   the best evaluation is the FIRST that attains it                       (1)
    GL(t)    = 100 (E_t / E_opt(t) - 1);                      GL_alpha stops at the first GL(t) > alpha   (2)
    P_k(t)   = 1000 (sum_{s = t-k+1..t} F_s / (k min_{s = t-k+1..t} F_s) - 1)                              (3)
    PQ_alpha stops at the first end of a strip t = k, 2k, ... with GL(t) / P_k(t) > alpha                 (4)
    UP_s     stops at the first end of a strip t with E_t > E_{t-k} > ... > E_{t-sk}: s strips upwards     (5)
    patience n stops at the first t with n evaluations since the last improvement, an improvement being
    a loss below the lowest so far by more than `least`                                                   (6)

Whatever stops, the weights to keep are those of the best evaluation so far (1): stopping late costs time, and keeping
the last weights costs accuracy. Only these losses are used, never the test set.

Ties: an equal loss is no improvement, no rise (5) and no generalisation loss (2), so a flat curve is stopped by
patience alone. A loss that is not a number counts as infinitely bad. Places are indices from 0; None means never.

Departures: Prechelt evaluates at each strip's end and uses F of every epoch; we take both from the same evaluations. A
strip without any progress (P_k = 0) stops PQ where GL > 0; he bounds the training time instead. Patience is not from
his paper.

    >>> import torch
    >>> from deepcanon.foundations import EarlyStopping
    >>> from deepcanon.foundations.early_stopping import stop_by_gl, stop_by_patience
    >>> valid = torch.tensor([1.0, 0.6, 0.5, 0.5, 0.52, 0.56, 0.6])
    >>> stop_by_patience(valid, 3), stop_by_gl(valid, alpha=10.0)
    (5, 5)
    >>> watch = EarlyStopping("patience", patience=3)
    >>> [watch.update(float(loss)) for loss in valid], watch.best, watch.best_value
    ([False, False, False, False, False, True, True], 2, 0.5)
"""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "EarlyStopping",
    "Stop",
    "best_evaluation",
    "generalisation_loss",
    "stop_by_each",
    "stop_by_gl",
    "stop_by_patience",
    "stop_by_pq",
    "stop_by_up",
    "training_progress",
]

History = Float[Tensor, "evaluations"]


def best_evaluation(valid: History) -> int:
    """Equation (1): the first place of the lowest loss."""
    return int(_losses(valid, least=1).argmin())  # of equals argmin gives the first


def generalisation_loss(valid: History) -> Float[Tensor, "evaluations"]:
    """Equation (2): by how many per cent each loss lies above the lowest up to then."""
    losses = _losses(valid)
    if bool((losses < 0).any()):
        raise ValueError("the generalisation loss is a ratio: it needs losses that are not negative")
    lowest = losses.cummin(0).values
    # A loss of 0 has no ratio: any loss above it is infinitely worse, an equal one is not worse.
    return torch.where(losses > lowest, 100 * (losses / lowest - 1), 0.0)


def training_progress(train: History, strip: int = 5) -> Float[Tensor, "strips"]:
    """Equation (3) at the end of each strip: how far the mean training loss of the strip lies above its lowest."""
    _positive(strip=strip)
    losses = _losses(train)
    if bool((losses < 0).any()):
        raise ValueError("the training progress is a ratio: it needs losses that are not negative")
    strips = losses[: len(losses) // strip * strip].view(-1, strip)
    mean, lowest = strips.mean(1), strips.amin(1)
    return torch.where(mean > lowest, 1000 * (mean / lowest - 1), 0.0)


def stop_by_gl(valid: History, alpha: float = 5.0) -> int | None:
    """Equation (2): where GL_alpha stops."""
    _positive(alpha=alpha)
    return _first(generalisation_loss(valid) > alpha)


def stop_by_pq(valid: History, train: History, alpha: float = 0.75, strip: int = 5) -> int | None:
    """Equation (4): where PQ_alpha stops; late while training still makes progress."""
    _positive(alpha=alpha)
    if valid.shape != train.shape:
        raise ValueError(f"{tuple(valid.shape)} validation losses and {tuple(train.shape)} training losses")
    progress = training_progress(train, strip)
    loss = generalisation_loss(valid)[strip - 1 :: strip]
    quotient = torch.where(loss > 0, loss / progress, 0.0)  # (4)
    place = _first(quotient > alpha)
    return None if place is None else (place + 1) * strip - 1


def stop_by_up(valid: History, successive: int = 3, strip: int = 5) -> int | None:
    """Equation (5): where UP_s stops, however small the rises are."""
    _positive(successive=successive, strip=strip)
    ends = _losses(valid)[strip - 1 :: strip]
    rises = ends[1:] > ends[:-1]
    if len(rises) < successive:
        return None
    place = _first(rises.unfold(0, successive, 1).all(1))
    return None if place is None else (place + successive + 1) * strip - 1


def stop_by_patience(valid: History, patience: int = 10, least: float = 0.0) -> int | None:
    """Equation (6): where `patience` evaluations have brought no loss lower by more than `least`."""
    _positive(patience=patience)
    if not least >= 0:
        raise ValueError(f"an improvement must be positive, got {least}")
    lowest, since = float("inf"), 0
    for place, loss in enumerate(_losses(valid).tolist()):
        lowest, since = (loss, 0) if loss < lowest - least else (lowest, since + 1)
        if since >= patience:
            return place
    return None


class Stop(NamedTuple):
    """Where a rule stops, the share of the evaluations up to there, and what the weights kept (1) lose by it."""

    place: int
    share: float
    cost: float


def stop_by_each(
    valid: History,
    train: History,
    *,
    patience: int = 10,
    alpha: float = 5.0,
    quotient: float = 0.75,
    strip: int = 5,
    successive: int = 3,
) -> dict[str, Stop]:
    """What each rule makes of a whole training: "patience" (6), "gl" (2), "pq" (4), "up" (5).

    A rule that never stops takes the last evaluation; the cost is the lowest loss up to the stop minus that of all.
    """
    losses = _losses(valid, least=1)
    places = {
        "patience": stop_by_patience(valid, patience),
        "gl": stop_by_gl(valid, alpha),
        "pq": stop_by_pq(valid, train, quotient, strip),
        "up": stop_by_up(valid, successive, strip),
    }
    found = {}
    for rule, place in places.items():
        taken = len(losses) if place is None else place + 1
        cost = float(losses[:taken].min() - losses.min())
        found[rule] = Stop(taken - 1, taken / len(losses), cost)
    return found


class EarlyStopping:
    """Follows a training: `update` takes the losses of an evaluation and says whether to stop; saves and loads.

    Args:
        rule: "patience" (6), "gl" (2), "pq" (4) or "up" (5).
        patience, least: of (6).
        alpha: of (2), in per cent, or of (4); None takes 5 and 0.75.
        strip: k, evaluations in a strip of (4) and (5).
        successive: s of (5).

    Attributes:
        best: index of the best evaluation so far, whose weights are to be kept; best_value: its loss.
        stopped: index of the evaluation at which the rule stopped, or None. A rule that has stopped stays stopped.
    """

    def __init__(
        self,
        rule: Literal["patience", "gl", "pq", "up"] = "patience",
        *,
        patience: int = 10,
        least: float = 0.0,
        alpha: float | None = None,
        strip: int = 5,
        successive: int = 3,
    ) -> None:
        if rule not in ("patience", "gl", "pq", "up"):
            raise ValueError(f'the rule is "patience", "gl", "pq" or "up", not {rule!r}')
        alpha = {"gl": 5.0, "pq": 0.75}.get(rule, 1.0) if alpha is None else alpha
        _positive(patience=patience, alpha=alpha, strip=strip, successive=successive)
        self.rule, self.patience, self.least = rule, patience, least
        self.alpha, self.strip, self.successive = alpha, strip, successive
        self.valid: list[float] = []
        self.train: list[float] = []
        self.stopped: int | None = None

    def update(self, valid: float, train: float | None = None) -> bool:
        """Adds an evaluation; returns True from the one at which the rule stops."""
        if self.rule == "pq" and train is None:
            raise ValueError("the progress quotient needs the training loss too")
        self.valid.append(float(valid))
        self.train.append(float("nan") if train is None else float(train))
        if self.stopped is None:
            history = torch.tensor(self.valid, dtype=torch.float64)
            if self.rule == "patience":
                self.stopped = stop_by_patience(history, self.patience, self.least)
            elif self.rule == "gl":
                self.stopped = stop_by_gl(history, self.alpha)
            elif self.rule == "pq":
                progress = torch.tensor(self.train, dtype=torch.float64)
                self.stopped = stop_by_pq(history, progress, self.alpha, self.strip)
            else:
                self.stopped = stop_by_up(history, self.successive, self.strip)
        return self.stopped is not None

    @property
    def best(self) -> int:
        return best_evaluation(torch.tensor(self.valid, dtype=torch.float64))

    @property
    def best_value(self) -> float:
        return self.valid[self.best]

    def state_dict(self) -> dict[str, Any]:
        return {"valid": list(self.valid), "train": list(self.train), "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.valid, self.train, self.stopped = list(state["valid"]), list(state["train"]), state["stopped"]


def _losses(values: Tensor, least: int = 0) -> Tensor:
    if values.ndim != 1 or len(values) < least:
        raise ValueError(f"a history of losses is a vector [evaluations], got {tuple(values.shape)}")
    return values.detach().double().nan_to_num(nan=float("inf"), posinf=float("inf"), neginf=float("-inf"))


def _first(stops: Tensor) -> int | None:
    return int(stops.nonzero()[0]) if bool(stops.any()) else None


def _positive(**numbers: float | int) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name} is positive, {value} is not")
