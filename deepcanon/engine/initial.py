"""Initial weights from another model: which are copied, which stay frozen, which learn more slowly.

Protocol: Yosinski, Clune, Bengio and Lipson 2014, "How transferable are features in deep neural networks?"
(arXiv:1411.1792). The layers of the classes start from new weights unless the classes are the same. A frozen layer
keeps its batch statistics too. What is copied is known from options and facts alone, so a resumed run has the same
optimizer; the weights themselves are read once, before the first step, from a copy in the run folder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
from torch import Tensor, nn

from deepcanon.data.errors import one_line
from deepcanon.engine.checkpoint import Checkpoints, facts_of
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.options import CopiedWeights, InitialWeights
from deepcanon.settings import read_config

__all__ = ["Source", "Start", "shapes_of", "source_facts", "source_of"]

ALL = "all"
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""


class Source(NamedTuple):
    """The weights of another model, and the facts of its run; a file has none.

    prefix: what stood before all of its names, and is left out.
    """

    state: dict[str, Tensor]
    facts: dict[str, Any]
    prefix: str = ""


def read(path: Path, option: str = "--init-from") -> Source:
    """A run folder or a .safetensors file.

    Args:
        option: that named it.

    Raises:
        UsageError: it is neither, or damaged, or a run without a single model.
    """
    if path.is_dir():
        checkpoints = Checkpoints(path / "checkpoints")
        found = next((f for kind in ("best", "step") if (f := checkpoints.newest(kind))), None)
        if found is None:
            raise UsageError(f"{option} {path}: is not a run with a sound checkpoint")
        parts = found[1]
        state = {**parts.get("rank0", {}), **parts.get("shared", {})}.get("model")
        if not isinstance(state, dict):
            raise UsageError(f"{option} {path}: is not a run of one model")
        return Source(state, facts_of(path))
    if not path.is_file():
        raise UsageError(f"{option} {path}: no such run or file")
    try:
        return _unwrapped(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        what = f"cannot be read as safetensors ({str(error)[:100]}); a .pth file holds code: save its state dict by"
        raise UsageError(f"{option} {path}: {what} safetensors.torch.save_file") from None


def _unwrapped(state: dict[str, Tensor]) -> Source:
    """Weights without the prefixes that a wrapper put before every name."""
    prefix = ""
    while state and (found := next((w for w in WRAPPERS if all(name.startswith(w) for name in state)), "")):
        prefix, state = prefix + found, {name.removeprefix(found): value for name, value in state.items()}
    return Source(state, {}, prefix)


def source_of(options: CopiedWeights) -> Source | None:
    """The model that a run begins with; None if it begins with new weights.

    Raises:
        UsageError: it cannot be read, or an option has no effect without it.
    """
    if not options.init_from:
        groups = [kind for kind in (CopiedWeights, InitialWeights) if isinstance(options, kind)]
        names = [field.name for field in fields(groups[-1])]
        changed = [name for name in names if getattr(options, name) != getattr(type(options), name)]
        if changed:
            raise UsageError(f"--{changed[0].replace('_', '-')} needs --init-from: the weights of another model")
        return None
    return read(Path(options.init_from))


def options_of(init_from: str) -> tuple[str, dict[str, Any]]:
    """The recipe of the run that another begins with, and its options.

    Raises:
        UsageError: it is not a run.
    """
    content = read_config(Path(init_from))
    return content["name"], content["config"]


def shapes_of(source: Source, same: bool) -> dict[str, Any]:
    """What a run keeps of the model that it begins with: shapes, and whether its classes or symbols are the same."""
    shapes = {name: list(value.shape) for name, value in source.state.items()}
    return {"initial": {"shapes": shapes, "same_classes": same}}


def source_facts(
    options: InitialWeights, classes: Sequence[str], channels: int, also: Sequence[str] = ()
) -> dict[str, Any]:
    """What a run keeps of the model that it begins with: shapes, whether its classes are ours, its normalisation.

    Args:
        also: names of further facts, taken over from a run with the same classes.

    Raises:
        UsageError: it cannot be read, or an option does not fit.
    """
    source = source_of(options)
    if source is None:
        return {}
    facts = shapes_of(source, source.facts.get("reader", {}).get("classes") == list(classes))
    if facts["initial"]["same_classes"]:
        facts |= {name: source.facts[name] for name in also if name in source.facts}
    if options.mean or options.std:
        if len(options.mean) != channels or len(options.std) != channels or min(options.std) <= 0:
            raise UsageError(f"--mean and --std need {channels} numbers each, one for each channel, and no deviation 0")
        facts["shift"] = [255 * value for value in options.mean]
        facts["scale"] = [255 * value for value in options.std]
    elif "shift" in source.facts:
        if len(source.facts["shift"]) != channels:
            there = len(source.facts["shift"])
            raise UsageError(f"{options.init_from} takes images of {there} channels: give --channels {there}")
        facts["shift"], facts["scale"] = source.facts["shift"], source.facts["scale"]
    return facts


def _below(name: str, words: Iterable[str]) -> bool:
    """Whether a tensor is that of a layer or of one below it."""
    return any(name == word or name.startswith(f"{word}.") for word in words)


class Start:
    """How a new model begins with the weights of another.

    Args:
        model: the new one.
        options: what is copied and frozen.
        known: of `source_facts`.
        heads: names of the layers that give the classes.

    Raises:
        UsageError: the models do not fit, or a word names no layer.
    """

    def __init__(self, model: nn.Module, options: CopiedWeights, known: dict[str, Any], heads: Sequence[str]) -> None:
        self.model, self.options = model, options
        mine, theirs = model.state_dict(), known["shapes"]
        new = () if known["same_classes"] else tuple(heads)
        wanted = [name for name in mine if not _below(name, new) and (not options.copy or _below(name, options.copy))]
        # Files older than the count of batches lack it; nothing depends on it.
        wanted = [name for name in wanted if name in theirs or not name.endswith(".num_batches_tracked")]
        for word in options.copy:
            if not any(_below(name, (word,)) for name in mine):
                raise UsageError(f"--copy {word}: the model has no such layer, only {_layers(mine)}")
        for name in wanted:
            here, there = list(mine[name].shape), theirs.get(name)
            if there != here:
                what = f"is {_shape(there)} there and {_shape(here)} here" if there is not None else "is not there"
                remedy = "give the options of that model and the size of its inputs, or choose layers by --copy"
                raise UsageError(f"--init-from {options.init_from}: {name} {what}: {remedy}")
        self.copied = tuple(wanted)
        frozen = options.copy or tuple(dict.fromkeys(name.split(".")[0] for name in self.copied))
        frozen = frozen if options.freeze == (ALL,) else options.freeze
        for word in frozen:
            if not any(_below(name, (word,)) for name in self.copied):
                what = f"--freeze {word}: nothing of that name is copied, only {_layers(self.copied)}"
                raise UsageError(f"{what}, or all")
        self.frozen = tuple(name for name in self.copied if _below(name, frozen))
        self._freeze()
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise UsageError(
                f"--freeze {' '.join(options.freeze)}: every layer is copied and frozen, so nothing learns"
            )

    def _freeze(self) -> None:
        names = set(self.frozen)
        for path, module in self.model.named_modules():
            own = [f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)]
            for name, parameter in zip(own, module.parameters(recurse=False), strict=True):
                if name in names:
                    parameter.requires_grad_(False)
            if own and names.issuperset(own) and hasattr(module, "frozen"):
                module.frozen = True

    @property
    def slower(self) -> list[nn.Parameter]:
        """The copied parameters that learn."""
        return [p for name, p in self.model.named_parameters() if name in self.copied and p.requires_grad]

    def load(self, run: Run) -> None:
        """Copies the weights, and says so.

        Raises:
            UsageError: a tensor holds what the model's cannot hold: whole or complex numbers, or none.
        """
        options = self.options
        source = read(run.borrowed(Path(options.init_from), "initial"))
        state, kinds = self.model.state_dict(), set()
        for name in self.copied:
            wrong, kind = _wrong(source.state[name], state[name])
            if wrong:
                raise UsageError(f"--init-from {options.init_from}: {name} holds {wrong}: take another file or run")
            kinds.add(kind)
            state[name] = source.state[name]
        self.model.load_state_dict(state)
        new = [name for name in state if name not in self.copied]
        slower = options.copied_rate < 1 and len(self.frozen) < len(self.copied)
        rate = f" at {options.copied_rate:g} of the learning rate" if slower else ""
        frozen = f"; frozen: {_layers(self.frozen)}" if self.frozen else ""
        fresh = f"; new: {_layers(new)}" if new else ""
        cast = "".join(f"; {kind}" for kind in sorted(kinds) if kind)
        rest = [name for name in source.state if name not in state]
        unused = f"; not used: {one_line(_layers(rest), 100)}" if rest else ""
        bare = f"; {source.prefix} before its names left out" if source.prefix else ""
        run.say(f"copied from {options.init_from}: {_layers(self.copied)}{rate}{frozen}{fresh}{cast}{unused}{bare}")


def _wrong(there: Tensor, here: Tensor) -> tuple[str, str]:
    """Why the numbers of a tensor cannot be copied ("" if they can), and how they are narrowed or widened."""
    if there.is_floating_point() != here.is_floating_point():
        return f"{_kind(there)}, not {_kind(here)}", ""
    if not there.to(here.dtype).isfinite().all():
        return f"numbers that are not finite in {_kind(here)}", ""
    return "", "" if there.dtype == here.dtype else f"{_kind(there)} read as {_kind(here)}"


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _layers(names: Iterable[str]) -> str:
    """The layers that tensors belong to, by the first part of their names."""
    return ", ".join(dict.fromkeys(name.split(".")[0] for name in names)) or "nothing"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
