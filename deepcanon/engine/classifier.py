"""What is done with a classifier apart from training it: measured, drawn, asked, taken out of its run.

The update is the recipe's own and is written there. The rest is the same for every classifier of images or of the rows
of a table: a recipe holds a `Classifier` and passes the verbs on to it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepcanon.claims import interval
from deepcanon.engine.confusions import confusion_figure
from deepcanon.engine.contract import Exports, Metrics, Predicts
from deepcanon.engine.export import Export, classifier_export
from deepcanon.engine.figures import Heat, Line, Plot, Tiles
from deepcanon.engine.portions import Portions
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.parts.classification import by_class, confident_mistakes, confusion, measures, records, roc
from deepcanon.verb_options import ClassSampling

__all__ = ["Classifier", "Classifies", "Seen", "asked_classes", "cross_validated", "require_classes"]

ROC = "Share of the second class found against share of false alarms, for every threshold: good is upper left."
BY_CLASS = (
    "Precision: how many of the examples given this class are of it. Recall: how many of its examples were found. "
    "Good is near 1 in both columns, for small classes too."
)
MISTAKES = (
    "Held-out examples with the most confident wrong answers: for a good classifier they are hard for people too, or "
    "have a wrong label."
)
CLASSES = "a classifier needs classes: images in CLASS/ folders, a table whose target holds names, or arrays (X, y)"


def require_classes(data: Any, otherwise: str = "") -> list[str]:
    """The classes of a data set.

    Raises:
        UsageError: it has none (`otherwise` says what is needed instead), or one.
    """
    names = data.describe().get("classes")
    if data["train"].y is None or not names:
        raise UsageError(otherwise or CLASSES)
    if len(names) < 2:
        raise UsageError(f"every example is of the class {names[0]}: a classifier needs at least two classes")
    return names


def asked_classes(asked: ClassSampling, names: Sequence[str]) -> Tensor:
    """The class [count] of each sample: that which the prompt names, or all in turn.

    Raises:
        UsageError: it names none.
    """
    if asked.prompt and asked.prompt not in names:
        raise UsageError(f"the prompt names a class: {', '.join(names[:20])}; not {asked.prompt!r}")
    places = [place for place, name in enumerate(names) if asked.prompt in ("", name)]
    return torch.tensor([places[number % len(places)] for number in range(asked.count)])


def cross_validated(accuracy: Tensor) -> dict[str, float]:
    """What is known of the accuracy [folds] of cross-validation: the mean and its corrected 95 % interval.

    The training documents of two folds overlap, which the interval allows for (Nadeau and Bengio 2003).
    """
    ends = interval(accuracy.tolist(), 1 / (len(accuracy) - 1))
    return dict(zip(("cv_accuracy", "cv_low", "cv_high"), ends, strict=True))


class Seen(NamedTuple):
    """Raw inputs, their labels, and the logits [N, K] that they were given."""

    x: Any
    y: Tensor
    logits: Tensor


class Classifier:
    """Called with raw inputs it gives their logits, some rows at a time.

    Args:
        run: of the recipe.
        model: from prepared inputs to logits [N, K].
        preprocess: from raw inputs to prepared ones; it becomes part of the export.
        shape: of one raw input, (C, H, W) or (F,).
        reader: what the reader said of the data; it names the classes.
        prepare: replaces `preprocess` in this process (for example by another memory layout).
    """

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        preprocess: nn.Module,
        shape: Sequence[int],
        reader: dict[str, Any],
        *,
        prepare: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.run, self.model, self.preprocess = run, model, preprocess
        self.shape, self.reader = shape, reader
        self.prepare, self.portions = prepare or preprocess, Portions()

    def __call__(self, x: Any, function: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The logits of raw inputs, or what another function makes of the prepared ones."""
        function = function or self.model
        return self.portions(lambda part: function(self.prepare(part.to(self.run.device))), x, of=function)

    def measure(self, data: Any, function: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
        """nll, accuracy and error on a split."""
        return measures(self(data.x, function).cpu(), data.y)

    def look(self, count: int | None = None, data: Any = None) -> Seen:
        """The first `count` examples (all) of validation, of training where there is none, or of the split given."""
        if data is None:
            data = self.run.data[self.run.pictured]
        x, y = (data.x, data.y) if count is None else (data.x[:count], data.y[:count])
        return Seen(x, y, self(x).cpu())

    def figures(self, seen: Seen) -> dict[str, Any]:
        """The confusion, and of images the most confident mistakes."""
        names = self.reader["classes"]
        columns = self.reader.get("columns") or ()
        shown: dict[str, Any] = {"confusion": confusion_figure(seen.logits, seen.y, names, x=seen.x, columns=columns)}
        precision, recall = by_class(confusion(seen.logits, seen.y))
        shown["classes"] = Heat(
            torch.stack([precision, recall], 1).numpy(), "measure", "class",
            x_names=("precision", "recall"), y_names=names, unit="share", limits=(0.0, 1.0), caption=BY_CLASS,
        )  # fmt: skip
        if len(names) == 2 and 0 < seen.y.sum() < len(seen.y):
            false, true, _ = roc(seen.logits[:, 1].double() - seen.logits[:, 0].double(), seen.y.long())
            shown["roc"] = Plot(
                [Line(true, false, names[1]), Line([0.0, 1.0], [0.0, 1.0], "by chance", style="--", colour=-1)],
                f"false positive rate: {names[0]} taken for {names[1]}", f"true positive rate: {names[1]} found",
                equal=True, caption=ROC,
            )  # fmt: skip
        wrong = confident_mistakes(seen.logits, seen.y) if len(self.shape) == 3 else ()
        if len(wrong):
            chances, guesses = seen.logits[wrong].double().softmax(1).max(1)
            told = zip(seen.y[wrong].tolist(), guesses.tolist(), chances.tolist(), strict=True)
            words = [f"{names[true]} → {names[guess]}\n{100 * chance:.4g} %" for true, guess, chance in told]
            shown["confident-mistakes"] = Tiles(
                seen.x[wrong].numpy(), names=words, scale="true class → predicted class, and its probability",
                caption=MISTAKES,
            )  # fmt: skip
        return shown

    def predict(self, inputs: Tensor) -> list[dict]:
        """The most probable class of each raw input, and the probability of every class, as evaluations see them."""
        return records(self.logits(inputs), self.reader["classes"])

    def logits(self, inputs: Tensor) -> Tensor:
        """Of raw inputs, as evaluations see them."""
        with self.run.autocast():
            return self(inputs)

    def export(self) -> Export:
        """Raw values in, probabilities out."""
        return classifier_export(self.preprocess, self.model, self.shape, self.reader, self.run.device)


class Classifies(Predicts, Exports):
    """The verbs of a recipe that holds a `Classifier`."""

    run: Run
    classifier: Classifier

    def evaluate(self, split: str) -> Metrics:
        with self.run.autocast():
            return self.classifier.measure(self.run.data[split])

    def predict(self, inputs: Any) -> list[dict[str, Any]]:
        return self.classifier.predict(inputs)

    def scores(self, inputs: Any) -> Tensor:
        """What the probabilities of raw inputs are the softmax of, one tensor [N, K]; the largest tells the class."""
        return self.classifier.logits(inputs)

    def probabilities(self, inputs: Any) -> Tensor:
        """Those that `predict` tells of raw inputs, as one tensor [N, K]."""
        return self.scores(inputs).double().softmax(1).cpu()

    def export(self) -> Export:
        return self.classifier.export()
