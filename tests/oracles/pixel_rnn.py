"""PixelRNN in NumPy float64: one picture, one pixel and one gate at a time, from equations (1) to (8)."""

import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def group(channel, channels, colours):
    return channel * colours // channels


def masked(weight, bias, x, kind="B", colours=1, blocks=1):
    """A convolution [out, in, height, width] over x [in, rows, columns] that skips what is not before a place."""
    many, channels, height, width = weight.shape
    rows, columns = x.shape[1:]
    out = np.zeros((many, rows, columns))
    for k in range(many):
        mine = group(k % (many // blocks), many // blocks, colours)
        for i in range(rows):
            for j in range(columns):
                total = bias[k]
                for a in range(height):
                    for b in range(width):
                        r, c = i + a - height // 2, j + b - width // 2
                        if not (0 <= r < rows and 0 <= c < columns) or (r, c) > (i, j):
                            continue
                        for n in range(channels):
                            theirs = group(n, channels, colours)
                            if (r, c) == (i, j) and (theirs > mine or (kind == "A" and theirs == mine)):
                                continue
                            total += weight[k, n, a, b] * x[n, r, c]
                out[k, i, j] = total
    return out


def cell(sums, memory):
    """Gates in the order i, f, o, g: hidden vector and memory, equation (7)."""
    i, f, o, g = np.split(sums, 4)
    memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory), memory


def row_lstm(sums, weight):
    """Hidden maps [h, rows, columns] from input sums [4 h, rows, columns]; weight [4 h, 3, h]."""
    size, (rows, columns) = weight.shape[2], sums.shape[1:]
    hidden, memory = np.zeros((size, rows, columns)), np.zeros((size, rows, columns))
    for i in range(rows):
        for j in range(columns):
            total = sums[:, i, j].copy()
            for place, offset in enumerate((-1, 0, 1)):
                if i > 0 and 0 <= j + offset < columns:
                    total += weight[:, place] @ hidden[:, i - 1, j + offset]
            before = memory[:, i - 1, j] if i > 0 else np.zeros(size)
            hidden[:, i, j], memory[:, i, j] = cell(total, before)
    return hidden


def diagonal_lstm(sums, weight):
    """From the left; weight [4 h, (left, above), h]."""
    size, (rows, columns) = weight.shape[2], sums.shape[1:]
    hidden, memory = np.zeros((size, rows, columns)), np.zeros((size, rows, columns))
    for i in range(rows):
        for j in range(columns):
            total = sums[:, i, j].copy()
            if j > 0:
                total += weight[:, 0] @ hidden[:, i, j - 1]
            if i > 0:
                total += weight[:, 1] @ hidden[:, i - 1, j]
            before = memory[:, i, j - 1] if j > 0 else np.zeros(size)
            hidden[:, i, j], memory[:, i, j] = cell(total, before)
    return hidden


def named(params, prefix):
    return params[f"{prefix}.weight"], params[f"{prefix}.bias"]


def layer(params, prefix, kind, s, colours):
    """g of equations (4) to (8): [2 h, rows, columns] to [h, rows, columns]."""
    if kind == "cnn":
        s = masked(*named(params, f"{prefix}.narrow"), np.maximum(s, 0), colours=colours)
        return np.maximum(masked(*named(params, f"{prefix}.near"), np.maximum(s, 0), colours=colours), 0)
    if kind == "row":
        sums = masked(*named(params, f"{prefix}.inputs"), s, colours=colours, blocks=4)
        return row_lstm(sums, params[f"{prefix}.weight"])
    sums = masked(*named(params, f"{prefix}.inputs.left"), s, colours=colours, blocks=4)
    found = diagonal_lstm(sums, params[f"{prefix}.weights.left"])
    if f"{prefix}.weights.right" in params:
        sums = masked(*named(params, f"{prefix}.inputs.right"), s, colours=colours, blocks=4)[:, :, ::-1]
        mirrored = diagonal_lstm(sums, params[f"{prefix}.weights.right"])[:, :, ::-1]
        found[:, 1:] += mirrored[:, :-1]
    return found


def one(params, kind, s, colours=1):
    """A layer alone, of pictures [N, 2 h, rows, columns]."""
    params = {f"layer.{name}": value for name, value in params.items()}
    return np.stack([layer(params, "layer", kind, each, colours) for each in s])


def logits(params, x, kind, levels=2):
    """[N, C, H, W] of two levels, else [N, levels, C, H, W]."""
    colours, found = x.shape[1], []
    for picture in x:
        s = masked(*named(params, "first"), picture, "A", colours)
        for place in range(sum(name.startswith("up.") and name.endswith("bias") for name in params)):
            g = layer(params, f"layers.{place}", kind, s, colours)
            s = s + masked(*named(params, f"up.{place}"), g, colours=colours)
        s = masked(*named(params, "head"), np.maximum(s, 0), colours=colours)
        out = masked(*named(params, "last"), np.maximum(s, 0), colours=colours)
        if levels > 2:
            out = out.reshape(colours, levels, *out.shape[1:]).transpose(1, 0, 2, 3)
        found.append(out)
    return np.stack(found)


def nll(params, values, kind, levels=2):
    """Nats of each picture of whole numbers [N, C, H, W], a pixel at a time."""
    found = logits(params, values * 2.0 / (levels - 1) - 1, kind, levels)
    if levels == 2:
        found = np.stack([np.zeros_like(found), found], 1)
    total = np.zeros(len(values))
    for place in np.ndindex(values.shape):
        n, c, i, j = place
        z = found[n, :, c, i, j]
        total[n] -= z[values[place]] - z.max() - np.log(np.exp(z - z.max()).sum())
    return total
