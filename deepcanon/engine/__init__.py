"""The outer loop, once for all recipes: what a recipe imports from here is `Export` and, for types, `Run`."""

from deepcanon.engine.export import Export as Export
from deepcanon.engine.export import classifier_export as classifier_export
from deepcanon.engine.run import Batch as Batch
from deepcanon.engine.run import Run as Run
