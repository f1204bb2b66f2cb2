"""Steps without autograd within a run: when, over processes, and on one thread.

Those of small perceptrons are NumPy's (`parts.flat_perceptron`), those of convolutional networks in bf16 are torch's
(`parts.flat_convnet`).

torch's number of threads does not govern NumPy's matrix products: OpenBLAS starts one for each core at 64 x 64 x 64 and
lets them spin, which costs more than it gains at these sizes, and takes cores that other processes were given.
"""

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from threadpoolctl import ThreadpoolController
from torch import Tensor

from deepcanon.engine.precision import has_bf16
from deepcanon.engine.run import Run
from deepcanon.parts.flat_perceptron import FEW, FlatPerceptron
from deepcanon.parts.flat_step import FlatParameters

__all__ = ["OneBlasThread", "averaged", "backward_by_hand", "written_out", "written_out_in_bf16"]


def written_out(run: Run, flat: FlatPerceptron, asked: str, never: bool = False) -> bool:
    """Whether NumPy computes the steps; the run prints it.

    It can on the CPU, in the parameters' own type, where nothing is compiled or in shards.

    Args:
        asked: "flat" if it can, "auto" if it is also faster than autograd; any other word is no.
        never: whether something else rules it out (dropout).
    """
    can = run.device.type == "cpu" and run.settings.precision == "fp32"
    can = can and not (run.settings.compile or run.settings.shard or never)
    does = can and (asked == "flat" or (asked == "auto" and flat.size <= FEW))
    way = "written out, on one flat vector" if does else "autograd" if asked in ("flat", "auto") else asked
    run.say(f"backward: {way}; {flat.size:,} weights")
    return does


def written_out_in_bf16(run: Run, known: bool) -> bool:
    """Whether the steps of a convolutional network are written out, which is faster in bf16 on the CPU; the run prints
    it.

    Args:
        known: whether `parts.flat_convnet` has all its layers.
    """
    does = known and run.device.type == "cpu" and run.settings.precision == "bf16" and has_bf16("cpu")
    does = does and not (run.settings.compile or run.settings.shard)
    run.say(f"backward: {'written out, on one flat vector' if does else 'autograd'}")
    return does


def backward_by_hand(
    run: Run, flat: FlatPerceptron, inputs: Tensor, labels: Tensor, loss: Callable[..., Any]
) -> Tensor:
    """The counterpart of `run.backward` without autograd: the mean loss over the global batch, whose gradient `flat`
    holds then.

    Args:
        inputs, labels: this process's rows.
        loss: from outputs [n_L, m] and labels to the mean over the rows and its slopes.
    """
    goal = labels.numpy()
    return averaged(run, flat, flat.gradient(inputs.numpy(), lambda z: loss(z, goal)))


def averaged(run: Run, flat: FlatParameters, loss: Tensor) -> Tensor:
    """The mean of the processes' losses; `flat` holds that of their gradients then."""
    if run.world == 1:
        return loss
    gradient, loss = run.sums(flat.gradient_vector, loss)
    flat.gradient_vector.copy_(gradient / run.world)
    return loss / run.world


@functools.cache
def libraries() -> list[Any]:
    """The BLAS libraries of this process; finding them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


class OneBlasThread:
    """Within it NumPy's BLAS uses one thread; afterwards as many as before. Entering costs a microsecond."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = [(library, library.get_num_threads()) for library in libraries()]
        for library, count in self.before:
            if count != 1:
                library.set_num_threads(1)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for library, count in self.before:
            if count != 1:
                library.set_num_threads(count)
