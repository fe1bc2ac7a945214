"""Want of memory is told from other failures."""

from __future__ import annotations

import pytest
import torch

from spikebench.errors import out_of_memory


def raised_by_torch() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)  # more than any address space
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        raised_by_torch(),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
    ids=["python", "gpu", "cpu", "cpu, another system"],
)
def test_want_of_memory(error: Exception) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cannot be called in this process: shallow copy of the allocator"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
        ValueError("memory: you tried to allocate"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=["illegal access", "alloc", "shapes", "another type", "system call"],
)
def test_no_want_of_memory(error: Exception) -> None:
    assert not out_of_memory(error)
