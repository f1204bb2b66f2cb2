"""The outer loop of all recipes; the names that a recipe imports."""

from deepcanon.engine.classifier import Classifier as Classifier
from deepcanon.engine.classifier import Classifies as Classifies
from deepcanon.engine.classifier import require_classes as require_classes
from deepcanon.engine.contract import Decodes as Decodes
from deepcanon.engine.contract import Encodes as Encodes
from deepcanon.engine.contract import Exports as Exports
from deepcanon.engine.contract import Generates as Generates
from deepcanon.engine.contract import Plays as Plays
from deepcanon.engine.contract import Predicts as Predicts
from deepcanon.engine.contract import Recipe as Recipe
from deepcanon.engine.experiment import Experiment as Experiment
from deepcanon.engine.experiment import SizeExperiment as SizeExperiment
from deepcanon.engine.export import Export as Export
from deepcanon.engine.export import TextExport as TextExport
from deepcanon.engine.export import classifier_export as classifier_export
from deepcanon.engine.export import raw_export as raw_export
from deepcanon.engine.run import Batch as Batch
from deepcanon.engine.run import Run as Run
