import numpy as np
from contract.cases import Case
from oracles import patch_features as oracle
from torch import nn

from deepcanon.vision import PatchFeatures
from deepcanon.vision.patch_features import normalized, region_means, triangle


def case(encoder, **options):

    def build():
        net = PatchFeatures(2, 3, size=(6, 7), features=5, patch=3, encoder=encoder, **options)
        nn.init.normal_(net.output.weight)  # it starts at zero
        nn.init.uniform_(net.shift)
        nn.init.uniform_(net.scale, 0.5, 2.0)
        return net

    asked = {name: value for name, value in options.items() if name != "normalize"}
    asked["contrast"] = options.get("normalize") == "contrast"
    return Case(
        name="_".join(["patch_features", encoder.replace("-", "_"), *map(str, options.values())]),
        build=build,
        inputs=lambda rng: (rng.uniform(size=(3, 2, 6, 7)),),
        oracle=lambda params, images: oracle.logits(params, images, encoder=encoder, patch=3, **asked),
        covers=("PatchFeatures",),
    )


CASES = (
    case("sparse-autoencoder"),
    case("kmeans", stride=2),
    case("kmeans", normalize="contrast", grid=1),
)


def patchwise(how):
    return Case(
        name=f"normalized_{how}",
        build=None,
        inputs=lambda rng: (rng.uniform(size=(4, 2, 3, 3)),),
        call=lambda patches: normalized(patches, how),
        oracle=lambda params, patches: np.array([oracle.normalized(patch, how) for patch in patches]),
        rows=True,
        covers=("normalized",),
    )


FUNCTIONS = (
    *(patchwise(how) for how in ("none", "brightness", "contrast")),
    Case(
        name="region_means",
        build=None,
        inputs=lambda rng: (rng.normal(size=(2, 3, 5, 7)),),
        call=lambda maps: region_means(maps, 3),
        oracle=lambda params, maps: oracle.pooled(maps, 3),
        rows=True,
        covers=("region_means",),
    ),
    Case(
        name="triangle",
        build=None,
        inputs=lambda rng: (rng.uniform(size=(3, 5, 2, 2)),),
        call=triangle,
        oracle=lambda params, z: np.maximum(0, z.mean(1, keepdims=True) - z),
        rows=True,
        covers=("triangle",),
    ),
)
