from contract.cases import Case
from oracles import ufldl_convnet as oracle

from deepcanon.vision import UfldlConvNet

CASES = (
    Case(
        name="ufldl_convnet",
        build=lambda: UfldlConvNet(2, 3, size=(8, 9), filters=3, kernel_size=3, pool=2),
        inputs=lambda rng: (rng.normal(size=(3, 2, 8, 9)),),
        oracle=oracle.logits,
        covers=("UfldlConvNet",),
    ),
)
