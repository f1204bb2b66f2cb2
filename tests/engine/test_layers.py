"""The table of layers, and that "default" means one thing wherever it is told."""

import json
import re
from types import SimpleNamespace

from torch import nn

from deepcanon import heads, resolving, verbs
from deepcanon.cli import main
from deepcanon.engine.layers import layers, table


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.output = nn.Linear(4, 10)
        self.output.weight = self.embedding.weight
        self.frozen = nn.Linear(2, 3).requires_grad_(False)


def test_every_parameter_counts_once():
    rows = layers(SimpleNamespace(model=Tied(), other="words"))
    assert [row["name"] for row in rows] == ["model.embedding", "model.output", "model.frozen"]
    assert [row["parameters"] for row in rows] == [40, 10, 9] and rows[1]["shapes"] == {"bias": [10]}
    assert table(rows).endswith("59 parameters, 9 of them fixed")
    assert table([]) == "no layers with parameters"


def test_the_layers_are_those_that_a_run_would_have(capsys):
    assert main(["show", "mlp", "--layers", "--data", "iris"]) == 0
    lines = capsys.readouterr().out.splitlines()
    module = verbs.untrained("mlp", "iris").model
    assert lines[-1] == f"{sum(p.numel() for p in module.parameters()):,} parameters"
    units = module.layers[0].out_features
    assert re.search(rf"Linear +weight {units} x 4, bias {units} +{5 * units:,}", lines[1]), "four measures of a flower"
    assert main(["show", "mlp", "--data", "iris"]) == 2 and "--layers" in capsys.readouterr().err


def test_default_is_what_train_takes_with_nothing_else(capsys, tmp_path):
    """In the help, in `show`, and in what the report compares with."""
    options, _ = heads.preset(heads.head("convnet"), "default")
    epochs = options["epochs"]
    assert heads.head("convnet").config().epochs != epochs, "else this shows nothing"
    main(["show", "convnet"])
    assert f"\n  --epochs {epochs}\n" in capsys.readouterr().out
    main(["train", "convnet", "--help"])
    assert re.search(rf"--epochs N [^-]*\(default: {epochs}\)", capsys.readouterr().out)
    about = {"preset": "smoke", "out": tmp_path / "run", "steps": 1, "quiet": True, "threads": 1, "precision": "fp32"}
    verbs.train("convnet", **about)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["defaults"] == {
        **json.loads(json.dumps(heads.preset(heads.head("convnet"), "default", "digits")[0]))
    }, "those of these data"


def test_epochs_that_are_given_count_where_the_preset_names_steps():
    options, settings = heads.preset(heads.head("mlp"), "default")
    assert settings["steps"], "else this shows nothing"
    chosen, run = resolving.settle("mlp", given={"epochs": options["epochs"] + 1})
    assert chosen.epochs == options["epochs"] + 1 and run.steps is None and run.data == settings["data"]
    assert resolving.settle("mlp", given={"hidden": (8,)})[1].steps == settings["steps"]
    assert resolving.settle("mlp", given={"epochs": 3, "steps": 7})[1].steps == 7
