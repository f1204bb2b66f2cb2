"""The machine that a figure was measured on: processor, instructions, threads, BLAS, versions."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["blas", "conditions", "parse", "processor"]


def parse(text: str) -> tuple[str, list[str]]:
    """The model of a /proc/cpuinfo, and which of the instructions for bf16 and for tiles (AMX) it has."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    family, model = facts.get("cpu family"), facts.get("model")
    name = facts.get("model name", "unknown") + (f" (family {family}, model {model})" if family and model else "")
    flags = facts.get("flags", "").split()
    return name, [flag for flag in flags if "amx" in flag or "bf16" in flag]


@cache
def processor() -> tuple[str, list[str]]:
    """That of this machine; "unknown" where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    return parse(cpuinfo.read_text() if cpuinfo.exists() else "")


def blas() -> list[str]:
    """Libraries of linear algebra that are loaded, with the kernel that each one chose."""
    from threadpoolctl import threadpool_info  # scikit-learn brings it

    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return sorted(
        {f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in pools}
    )


def conditions() -> dict[str, Any]:
    """For what a figure holds."""
    name, flags = processor()
    return {
        "processor": name,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "flags": flags,
        "threads": torch.get_num_threads(),
        "blas": blas(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
