import numpy as np
from contract.cases import Case
from oracles import gan as oracle

from deepcanon.generative.gan import (
    GAN,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
    discriminator_loss,
    game_value,
    generator_loss,
    optimal_discriminator,
)

CASES = (
    Case(
        name="gan_mlp_generator",
        build=lambda: MLPGenerator(3, 2, hidden=5),
        inputs=lambda rng: (rng.normal(size=(4, 3)),),
        oracle=lambda params, z: oracle.mlp(params, "", z, 0.0),
        covers=("MLPGenerator",),
    ),
    Case(
        name="gan_mlp_discriminator",
        build=lambda: MLPDiscriminator(2, hidden=5, layers=3),
        inputs=lambda rng: (rng.normal(size=(4, 2)),),
        oracle=lambda params, x: oracle.mlp(params, "", x, 0.2)[:, 0],
        covers=("MLPDiscriminator",),
    ),
    Case(
        name="gan_conv_generator",
        build=lambda: ConvGenerator(3, (2, 16, 8), width=2),
        inputs=lambda rng: (rng.normal(size=(5, 3)),),
        oracle=lambda params, z: oracle.conv_generator(params, z, (8, 4)),
        training=True,
        rows=False,  # batch normalisation in training mixes the rows, as it should
        covers=("ConvGenerator",),
    ),
    Case(
        name="gan_conv_generator_hidden",
        build=lambda: ConvGenerator(3, (1, 16, 8), width=2, hidden=6),
        inputs=lambda rng: (rng.normal(size=(9, 3)),),
        oracle=lambda params, z: oracle.conv_generator(params, z, (8, 4)),
        training=True,
        rows=False,
    ),
    Case(
        name="gan_conv_discriminator_hidden",
        build=lambda: ConvDiscriminator((1, 8, 16), width=3, hidden=5),
        inputs=lambda rng: (rng.normal(size=(4, 1, 8, 16)),),
        oracle=oracle.conv_discriminator,
    ),
    Case(
        name="gan_conv_discriminator",
        build=lambda: ConvDiscriminator((1, 8, 16), width=3),
        inputs=lambda rng: (rng.normal(size=(4, 1, 8, 16)),),
        oracle=oracle.conv_discriminator,
        covers=("ConvDiscriminator",),
    ),
    Case(
        name="gan_conv_discriminator_batch_norm",
        build=lambda: ConvDiscriminator((1, 16, 16), width=2, batch_norm=True),
        inputs=lambda rng: (rng.normal(size=(4, 1, 16, 16)),),
        oracle=oracle.conv_discriminator,
        training=True,
        rows=False,
    ),
    Case(
        name="gan",
        build=lambda: GAN(MLPGenerator(3, 2, hidden=16), MLPDiscriminator(2, hidden=16)),
        call=lambda gan, z: gan.discriminator(gan(z)),
        inputs=lambda rng: (rng.normal(size=(4, 3)),),
        oracle=lambda params, z: oracle.mlp(params, "discriminator.", oracle.mlp(params, "generator.", z, 0.0), 0.2)[
            :, 0
        ],
        covers=("GAN",),
    ),
)

FUNCTIONS = (
    Case(
        name="gan_discriminator_loss",
        build=None,
        call=lambda real, fake: discriminator_loss(real, fake, smoothing=0.1),
        inputs=lambda rng: (rng.normal(size=7) * 3, rng.normal(size=5) * 3),
        oracle=lambda params, real, fake: oracle.discriminator_loss(real, fake, 0.1),
        covers=("discriminator_loss",),
    ),
    Case(
        name="gan_game_value",
        build=None,
        call=game_value,
        inputs=lambda rng: (rng.normal(size=7), rng.normal(size=5)),
        oracle=lambda params, real, fake: -oracle.discriminator_loss(real, fake),
        covers=("game_value",),
    ),
    Case(
        name="gan_generator_loss",
        build=None,
        call=generator_loss,
        inputs=lambda rng: (rng.normal(size=6),),
        oracle=lambda params, fake: oracle.generator_loss(fake),
        covers=("generator_loss",),
    ),
    Case(
        name="gan_generator_loss_saturating",
        build=None,
        call=lambda fake: generator_loss(fake, saturating=True),
        inputs=lambda rng: (rng.normal(size=6),),
        oracle=lambda params, fake: oracle.generator_loss(fake, True),
    ),
    Case(
        name="gan_optimal_discriminator",
        build=None,
        call=optimal_discriminator,
        inputs=lambda rng: (rng.uniform(size=(3, 4)), rng.uniform(size=(3, 4))),
        oracle=lambda params, p, q: np.divide(p, p + q),
        covers=("optimal_discriminator",),
    ),
)
