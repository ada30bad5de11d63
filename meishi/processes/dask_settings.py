"""How Dask is set for workers that are started on this machine."""

import platform
from typing import Any

# OpenBLAS has kernels for each kind of CPU, which add up in other orders: of 2,620 samples 8 come
# out otherwise by those for AVX-512. The ones for AVX2 run on both kinds. Nothing that the workers
# do is large enough to be slower for it.
SAME_BYTES = {"OPENBLAS_CORETYPE": "Haswell"}
X86 = ("x86_64", "amd64")


def lean() -> dict[str, Any]:
    """Return Dask's settings by key: one thread a worker, and what it need not do left out."""
    return {
        # Nobody looks at the profile that workers take of themselves a hundred times a second.
        "distributed.worker.profile.enabled": False,
        # Dask's own list has malloc give every picture's memory back at once: half the speed.
        "distributed.nanny.pre-spawn-environ": {
            "OMP_NUM_THREADS": 1,
            "OPENBLAS_NUM_THREADS": 1,
            **(SAME_BYTES if is_x86() else {}),
        },
    }


def is_x86() -> bool:
    """Tell whether this machine's CPU is one for which OpenBLAS chooses among kernels of x86."""
    return platform.machine().lower() in X86
