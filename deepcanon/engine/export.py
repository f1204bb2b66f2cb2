"""Takes a trained module out of its run: `torch.export` or ONNX, and a JSON that says what goes in and out.

What is not a module (a table of n-grams) is written as text, in the form that other tools of its field read.
"""

import io
import json
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from deepcanon.errors import UsageError
from deepcanon.parts.bag_of_words import BagOfWords
from deepcanon.writing import replacing

__all__ = ["Export", "TextExport", "classifier_export", "counts_export", "raw_export", "write_export"]


class Export(NamedTuple):
    """What a recipe hands out.

    module: takes RAW values; the normalisation is inside.
    inputs: example tensors; axis 0 is the batch unless `dynamic` is false.
    lengths: by the name of an input, what its axis 1 is called that may have any length too.
    about: what a user must know of inputs and outputs (size, range, channel order, classes ...), JSON.
    no_onnx: why it is not written as ONNX, and what remains; "" if it is.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    about: dict[str, Any]
    dynamic: bool = True
    lengths: Mapping[str, str] = MappingProxyType({})
    no_onnx: str = ""


class TextExport(NamedTuple):
    """What a recipe hands out as text: its lines, and what a user must know of them, JSON."""

    lines: Iterable[str]
    about: dict[str, Any]


def raw_export(
    module: nn.Module,
    shape: Sequence[int],
    reader: dict[str, Any],
    device: torch.device,
    outputs: tuple[str, ...],
    about: dict[str, Any],
) -> Export:
    """The export of a module that takes raw rows of a table [N, F] in float64, or pixels 0..255 [N, C, H, W].

    Args:
        shape: of one input, (C, H, W) or (F,).
        reader: what the reader said of the data (columns).
        outputs, about: names of what comes out, and what a user must know of it.
    """
    about = dict(about)
    images = len(shape) == 3
    if images:
        order = "grey" if shape[0] == 1 else "RGB"
        about |= {"size": list(shape[1:]), "channels": shape[0], "channel_order": order, "range": [0, 255]}
    else:
        about["columns"] = reader.get("columns")
    example = torch.zeros(2, *shape, dtype=torch.uint8 if images else torch.float64, device=device)
    return Export(module, (example,), ("pixels" if images else "columns",), outputs, about)


def classifier_export(
    preprocess: nn.Module, model: nn.Module, shape: Sequence[int], reader: dict[str, Any], device: torch.device
) -> Export:
    """The export of a classifier: raw values to probabilities.

    Args:
        preprocess, model: from raw values to what the model takes, and from that to logits.
        shape, reader: see `raw_export`; the reader names the classes.
    """
    about = {"task": "classify", "classes": reader["classes"]}
    return raw_export(nn.Sequential(preprocess, model, nn.Softmax(1)), shape, reader, device, ("probabilities",), about)


def counts_export(module: nn.Module, bag: BagOfWords, reader: dict[str, Any], device: torch.device) -> Export:
    """The export of a classifier of documents: counts of the words of a bag to probabilities.

    Args:
        module: from counts [N, W] to logits.
        reader: names the classes.
    """
    about = {"task": "classify", "classes": reader["classes"], **bag.describe()}
    example = torch.zeros(2, len(bag), device=device)
    return Export(nn.Sequential(module, nn.Softmax(1)), (example,), ("counts",), ("probabilities",), about)


def write_export(export: Export | TextExport, form: str, to: Path) -> list[Path]:
    """Writes `to` (form "torch": a torch.export program; "onnx"; text) and `to` with the ending .json.

    Raises:
        UsageError: the folder does not exist, the extra is missing, or the module is not written in this form.
    """
    if not to.parent.is_dir():
        raise UsageError(f"cannot write {to}: the folder {to.parent} does not exist")
    if isinstance(export, TextExport):
        with replacing(to) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(export.lines)
        return _described(to, {"format": form, **export.about})
    if form == "onnx" and export.no_onnx:
        raise UsageError(f"not written as ONNX: {export.no_onnx}")
    module = export.module.eval()
    # Two rows in the example: a batch of one would be taken for a constant.
    inputs = tuple(
        t.expand(2, *t.shape[1:]).contiguous() if export.dynamic and len(t) == 1 else t for t in export.inputs
    )
    batch = torch.export.Dim("batch", min=1)
    any_length: Any = torch.export.Dim.DYNAMIC
    axes = [{0: batch} | ({1: any_length} if name in export.lengths else {}) for name in export.input_names]
    shapes = tuple(axis if export.dynamic else None for axis in axes)
    with replacing(to) as temporary, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if form == "onnx":
            try:
                import onnx  # noqa: F401
                import onnxscript  # noqa: F401
            except ImportError:
                raise UsageError("ONNX export needs an extra: pip install 'deepcanon[onnx]'") from None
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is not here
            torch.onnx.export(
                module,
                inputs,
                str(temporary),
                dynamo=True,
                input_names=list(export.input_names),
                output_names=list(export.output_names),
                dynamic_shapes=shapes,
                external_data=False,
                verbose=False,
            )
        else:
            program = torch.export.export(module, inputs, dynamic_shapes=shapes)
            content = io.BytesIO()  # torch aborts the process if it cannot write into a file
            torch.export.save(program, content)
            temporary.write_bytes(content.getbuffer())
    with torch.no_grad():
        outputs = module(*inputs)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    about = {
        "format": form,
        "inputs": [_describe(name, t, export) for name, t in zip(export.input_names, inputs, strict=True)],
        "outputs": [_describe(name, t, export) for name, t in zip(export.output_names, outputs, strict=True)],
        **export.about,
    }
    return _described(to, about)


def _described(to: Path, about: dict[str, Any]) -> list[Path]:
    described = to.with_suffix(".json")
    with replacing(described) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return [to, described]


def _describe(name: str, tensor: Tensor, export: Export) -> dict[str, Any]:
    words = {
        **({0: "batch"} if export.dynamic else {}),
        **({1: export.lengths[name]} if name in export.lengths else {}),
    }
    shape = [words.get(axis, size) for axis, size in enumerate(tensor.shape)]
    return {"name": name, "shape": shape, "dtype": str(tensor.dtype).removeprefix("torch.")}
