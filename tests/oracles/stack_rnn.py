"""The stack-augmented network in NumPy float64: one sequence, one stack, one cell at a time."""

import numpy as np

EMPTY = -1.0


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def cell(stack, i):
    return stack[i] if i < len(stack) else EMPTY


def moved(stack, actions, value):
    """A stack of the same number of cells after PUSH, POP and, of three, NO-OP."""
    new = np.empty(len(stack))
    for i in range(len(stack)):
        above = value if i == 0 else stack[i - 1]
        new[i] = actions[0] * above + actions[1] * cell(stack, i + 1)
        if len(actions) == 3:
            new[i] += actions[2] * stack[i]
    return new


def moved_all(params, stacks, actions, pushed):
    return np.array(
        [[moved(stacks[n, s], actions[n, s], pushed[n, s]) for s in range(stacks.shape[1])] for n in range(len(stacks))]
    )


def module(p, x, mask=None, read=2, rounded=False, depth=None):
    """Hidden vectors, and the last hidden vector and stacks, from empty stacks."""
    size, count = len(p["bias_ih"]), len(p["bias_push"])
    kinds = len(p["bias_action"]) // count
    cells = depth or read + x.shape[1]
    outputs, last, ends = np.zeros((*x.shape[:2], size)), np.zeros((len(x), size)), []
    for n in range(len(x)):
        h, stacks = np.zeros(size), [np.full(cells, EMPTY) for _ in range(count)]
        for t in range(x.shape[1]):
            if mask is not None and not mask[n, t]:
                continue
            sums = p["weight_ih"] @ x[n, t] + p["bias_ih"]
            for s in range(count):
                for i in range(read):
                    sums = sums + p["weight_stack"][:, s * read + i] * stacks[s][i]
            if "weight_hh" in p:
                sums = sums + p["weight_hh"] @ h
            h = outputs[n, t] = sigmoid(sums)
            for s in range(count):
                rows = slice(s * kinds, (s + 1) * kinds)
                scores = p["weight_action"][rows] @ h + p["bias_action"][rows]
                actions = np.exp(scores) / np.exp(scores).sum()
                if rounded:
                    actions = np.eye(kinds)[np.argmax(actions)]
                stacks[s] = moved(stacks[s], actions, sigmoid(p["weight_push"][s] @ h + p["bias_push"][s]))
        last[n] = h
        ends.append(stacks)
    return outputs, (last, np.array(ends))
