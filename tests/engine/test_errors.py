"""Errors that several commands have in common."""

import numpy as np
import pytest
import torch

from deepcanon.errors import short_of_memory


@pytest.mark.parametrize("ask", (lambda: torch.empty(10**14), lambda: np.empty(10**14)))
def test_memory_that_ran_out_is_one_line_with_its_size_and_a_remedy(ask):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        ask()
    said = short_of_memory(caught.value)
    assert said.startswith("not enough memory: ") and "--batch" in said and "\n" not in said
    assert ("372,529.0 GiB" in said) or ("728 TiB" in said)


def test_other_errors_are_not_about_memory():
    assert short_of_memory(RuntimeError("shapes do not fit")) == ""
    assert short_of_memory(MemoryError()).startswith("not enough memory; ")
