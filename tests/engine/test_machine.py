"""What is said of the machine on which a figure was measured."""

import torch

from deepcanon.engine import machine


def test_a_processor_is_named_with_its_instructions_for_bf16():
    text = "model name\t: Some CPU\ncpu family\t: 26\nmodel\t\t: 2\nflags\t\t: fpu avx512_bf16 amx_tile avx2\n"
    assert machine.parse(text + text.replace("Some", "Other")) == (
        "Some CPU (family 26, model 2)",
        ["avx512_bf16", "amx_tile"],
    )
    assert machine.parse("") == ("unknown", [])


def test_conditions_name_processor_kernels_and_versions():
    found = machine.conditions()
    assert found["processor"] == machine.processor()[0] and found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads() and all(isinstance(name, str) for name in found["blas"])
