import numpy as np
import torch
from contract.cases import Case
from oracles import sampled_softmax as oracle

from deepcanon.sequence import SampledSoftmax, sampled_softmax_loss
from deepcanon.sequence.sampled_softmax import Drawn, draw_classes, log_uniform, proposal, sampled_logits

P = np.array([0.4, 0.25, 0.05, 0.2, 0.02, 0.05, 0.03])


def rows(rng):
    """Hidden vectors, weights, biases, targets, and a sample of distinct classes among which are targets."""
    targets = rng.integers(0, 7, 4)
    sample = np.unique([targets[0], *rng.integers(0, 7, 3)])
    return rng.normal(size=(4, 3)), rng.normal(size=(7, 3)), rng.normal(size=7), targets, sample


def drawn(sample, counts):
    return Drawn(sample, counts[sample])


def logits(hidden, weight, bias, targets, sample):
    counts = proposal(torch.from_numpy(P), 3).log_counts
    true, others = sampled_logits(hidden, weight, bias, targets, drawn(sample, counts), counts)
    return torch.cat([true[:, None], others], 1)


def losses(hidden, weight, bias, targets, sample):
    counts = proposal(torch.from_numpy(P), 3).log_counts
    given = (hidden, weight, bias, targets, drawn(sample, counts), counts)
    return [sampled_softmax_loss(*given, reduction=how) for how in ("none", "mean", "sum")]


def logits_oracle(params, hidden, weight, bias, targets, sample):
    counts = oracle.expected_counts(P, 3, True)
    found = [oracle.sampled_logits(h, weight, bias, t, sample, counts) for h, t in zip(hidden, targets, strict=True)]
    return np.array([[-np.inf if o is None else o for o in row] for row in found])


def losses_oracle(params, hidden, weight, bias, targets, sample):
    counts = oracle.expected_counts(P, 3, True)
    each = [oracle.sampled_loss(h, weight, bias, t, sample, counts) for h, t in zip(hidden, targets, strict=True)]
    return np.array(each), np.mean(each), np.sum(each)


def build():
    return SampledSoftmax(3, 7, 3)


def of_all(module, hidden, targets):
    """With as many samples as classes nothing is random."""
    module.samples = 7
    source = proposal(torch.from_numpy(P), 7)
    module.order, module.edges, module.log_counts = source.order, source.edges, source.log_counts
    return module.loss(hidden, targets, reduction="none")


CASES = (
    Case(
        "sampled_softmax",
        build,
        lambda rng: (rng.normal(size=(4, 3)),),
        lambda params, hidden: hidden @ params["weight"].T + params["bias"],
    ),
    Case(
        "sampled_softmax_of_all_classes",
        build,
        lambda rng: (rng.normal(size=(4, 3)), rng.integers(0, 7, 4)),
        lambda params, hidden, targets: np.array(
            [oracle.full_loss(h, params["weight"], params["bias"], t) for h, t in zip(hidden, targets, strict=True)]
        ),
        call=of_all,
        export=False,
        skips={"save": "the loss is of another proposal than the one that is built"},
    ),
)
FUNCTIONS = (
    Case(
        "log_uniform",
        None,
        lambda rng: (int(rng.integers(1, 50)),),
        lambda params, n: oracle.log_uniform(n),
        call=log_uniform,
    ),
    *(
        Case(
            f"proposal_{'stratified' if stratified else 'independent'}_{samples}",
            None,
            lambda rng: (rng.uniform(0.01, 1, 9) ** 2,),
            lambda params, p, m=samples, s=stratified: oracle.expected_counts(p / p.sum(), m, s),
            call=lambda p, m=samples, s=stratified: proposal(p, m, s).log_counts.exp(),
            gradcheck=False,
            covers=("proposal",),
        )
        for stratified in (True, False)
        for samples in (1, 4, 8, 9)
    ),
    Case(
        "draw_classes",
        None,
        lambda rng: (rng.uniform(0.1, 1, 5),),
        lambda params, p: (np.argsort(-p, kind="stable"), np.zeros(5)),
        call=lambda p: tuple(draw_classes(proposal(p, 5))),
        gradcheck=False,
    ),
    Case("sampled_logits", None, rows, logits_oracle, call=logits, gradcheck=False),
    Case("sampled_softmax_loss", None, rows, losses_oracle, call=losses),
)
