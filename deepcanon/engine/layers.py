"""The layers of a recipe in a table: names, types, shapes of the weights, and how many numbers are learned."""

from typing import Any

from torch import nn

from deepcanon.engine.contract import Recipe

__all__ = ["layers", "table"]


def layers(recipe: Recipe[Any]) -> list[dict[str, Any]]:
    """{name, type, shapes, parameters, trained} of every module that holds tensors itself, in the order of building.

    A tensor that two modules share is counted once, where it occurs first.
    """
    rows: list[dict[str, Any]] = []
    seen: set[int] = set()
    for top, module in vars(recipe).items():
        if not isinstance(module, nn.Module):
            continue
        for path, layer in module.named_modules():
            own = [(name, tensor) for name, tensor in layer.named_parameters(recurse=False) if id(tensor) not in seen]
            seen.update(id(tensor) for _, tensor in own)
            if own:
                rows.append(
                    {
                        "name": ".".join(part for part in (top, path) if part),
                        "type": type(layer).__name__,
                        "shapes": {name: list(tensor.shape) for name, tensor in own},
                        "parameters": sum(tensor.numel() for _, tensor in own),
                        "trained": sum(tensor.numel() for _, tensor in own if tensor.requires_grad),
                    }
                )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows of `layers` in columns, and the sum."""
    if not rows:
        return "no layers with parameters"
    cells = [("layer", "type", "weights", "parameters")]
    for row in rows:
        shapes = ", ".join(f"{name} {' x '.join(map(str, shape)) or '1'}" for name, shape in row["shapes"].items())
        cells.append((row["name"], row["type"], shapes, f"{row['parameters']:,}"))
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in cells]
    total, trained = (sum(row[key] for row in rows) for key in ("parameters", "trained"))
    fixed = f", {total - trained:,} of them fixed" if trained < total else ""
    return "\n".join([*lines, f"{total:,} parameters{fixed}"])
