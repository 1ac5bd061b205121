"""Memory: what the machine has, and what a model needs."""

from pathlib import Path

__all__ = ["device_memory_bytes", "machine_memory_bytes", "peak_memory_bytes"]

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory_bytes() -> int:
    """Main memory in bytes that this process may use: the machine's, or its container's limit."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for name in _CGROUP_LIMITS:
        try:
            limit = Path(name).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total


def device_memory_bytes(kind: str) -> int:
    """Memory in bytes of the device kind that ``choose_placement`` chose (``cuda``, ``mps``, ``cpu``)."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).total_memory)
    return machine_memory_bytes()


def peak_memory_bytes(kind: str) -> int:
    """The most memory in bytes that this process has held so far: of the GPU on CUDA, else main memory."""
    if kind == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
