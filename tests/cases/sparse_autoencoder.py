from contract.cases import Case
from oracles import sparse_autoencoder as oracle

from deepcanon.representation import SparseAutoencoder, Squash, sparse_objective, sparsity_penalty
from deepcanon.representation.sparse_autoencoder import squash

CASES = (
    Case(
        name="sparse_autoencoder",
        build=lambda: SparseAutoencoder(6, 4),
        inputs=lambda rng: (rng.random(size=(5, 6)),),
        oracle=lambda params, x: oracle.forward(params, x)[1],
        covers=("SparseAutoencoder",),
    ),
    Case(
        name="sparse_objective",
        build=lambda: SparseAutoencoder(6, 4),
        call=lambda model, x: sparse_objective(model, x, rho=0.05, beta=3.0, decay=1e-2),
        inputs=lambda rng: (rng.random(size=(5, 6)),),
        oracle=lambda params, x: oracle.objective(params, x, 0.05, 3.0, 1e-2),
        rows=False,
        covers=("sparse_objective",),
        skips={"export": "a loss"},
    ),
)

FUNCTIONS = (
    Case(
        name="sparsity_penalty",
        build=None,
        call=lambda r: sparsity_penalty(r, 0.01),
        inputs=lambda rng: (rng.uniform(0.02, 0.9, size=7),),
        oracle=lambda params, r: oracle.penalty(r, 0.01),
    ),
    Case(
        name="squash",
        build=None,
        call=lambda x: (squash(x, 0.5), Squash(0.5)(x)),
        inputs=lambda rng: (rng.normal(size=(4, 6)),),
        oracle=lambda params, x: (oracle.squash(x, 0.5), oracle.squash(x, 0.5)),
    ),
)
