"""The state of a random generator of NumPy as numbers of at most 64 bits and strings, which a checkpoint can hold."""

import numpy as np

__all__ = ["generator_state", "restore_generator"]


def generator_state(generator: np.random.Generator) -> dict:
    """The state of a PCG64 generator without integers beyond 64 bits: the two long ones as strings."""
    state = generator.bit_generator.state
    return {
        "kind": state["bit_generator"],
        "state": str(state["state"]["state"]),
        "increment": str(state["state"]["inc"]),
        "has_half": int(state["has_uint32"]),
        "half": int(state["uinteger"]),
    }


def restore_generator(state: dict) -> np.random.Generator:
    """The generator that `generator_state` described."""
    if state["kind"] != "PCG64":
        raise ValueError(f"only PCG64 generators are restored, got {state['kind']}")
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": int(state["state"]), "inc": int(state["increment"])},
        "has_uint32": int(state["has_half"]),
        "uinteger": int(state["half"]),
    }
    return np.random.Generator(bits)
