"""Sentiment: a recurrent network reads a text in both directions and classifies it.

Task: the class of a text, such as negative, neutral, positive. Data: a .csv, .tsv or .jsonl with
text and label, or folders CLASS/*.txt. Metric: accuracy; with `--folds 10` by cross-validation,
where each fold takes its vocabulary from its own training documents. Sentences of film reviews:
75.9 % in five minutes on one core (one seed). Bags of words take seconds: logistic regression
76.6 %, naive Bayes on pairs of words 78.9 %. Three classes of rated sentences: 65.0 % (64.5 to
65.4, three seeds). `predict` marks the decisive words.

    deepcanon train sentiment --data reviews.csv
"""

from dataclasses import dataclass, replace
from typing import Literal

from deepcanon.model_options import DocumentTraining
from deepcanon.options import Count, Share
from deepcanon.targets import CLASSIFIER, FOLDS, target

SYSTEM = "sequence.sentiment"
DATA = ("documents",)
METRICS = {**CLASSIFIER, **FOLDS}
BAG = "bag-of-words: logistic regression on words of the same sentences"
TARGETS = (
    target("reviews", "test/cv_accuracy >= 0.75", "P", "no figure is published for these words"),
    target("reviews", "test/cv_accuracy >= 0.766", "R", BAG),
    target("reviews", "worst cpu_minutes <= 10", "P", "ten minutes of one core"),
    target("three", "test/accuracy >= 0.6", "P", "no figure is published for three classes"),
)


@dataclass(frozen=True, kw_only=True)
class Config(DocumentTraining):
    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """Kind of recurrent layer."""
    hidden: Count = 100
    """Units of each direction of a layer."""
    layers: Count = 1
    """Recurrent layers."""
    both: bool = True
    """Read each text backward too."""
    pool: Literal["last", "mean", "max"] = "last"
    """What represents a text: the states after its last word, or their mean or maximum over it."""
    embedding_dropout: Share = 0.5


CROSS = Config(tokens="blanks", folds=10, valid_share=0.0, test_share=0.0)
SMALL = Config(dimensions=16, hidden=12, batch=20, learning_rate=1e-2)
MR = {"data": "rt-polarity", "threads": 1}
PRESETS = {
    "smoke": (SMALL, {"data": "planted-topics", "steps": 24, "threads": 1}),
    "default": (Config(), {"data": "rt-polarity"}),
    "paper": (replace(CROSS, dimensions=300), MR),
    "verify:reviews": (CROSS, MR),
    "verify:three": (Config(tokens="blanks"), {"data": "sst-3", "threads": 1}),
}

from deepcanon.sequence.sentiment import SentimentRNN
from deepcanon.techniques.document_classifiers import DocumentClassifier


class Recipe(DocumentClassifier[Config]):
    def network(self, symbols, classes, dimensions):
        config = self.config
        return SentimentRNN(
            symbols,
            classes,
            dimensions=dimensions,
            hidden_size=config.hidden,
            num_layers=config.layers,
            cell=config.cell,
            both=config.both,
            pool=config.pool,
            dropout=config.dropout,
            embedding_dropout=config.embedding_dropout,
            frozen=config.static,
            device=self.run.device,
        )
