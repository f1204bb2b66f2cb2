"""The outer loop, once for all recipes: what a recipe imports from here."""

from deepcanon.engine.classifier import Classifier as Classifier
from deepcanon.engine.classifier import require_classes as require_classes
from deepcanon.engine.export import Export as Export
from deepcanon.engine.export import classifier_export as classifier_export
from deepcanon.engine.export import raw_export as raw_export
from deepcanon.engine.run import Batch as Batch
from deepcanon.engine.run import Run as Run
