"""Every kernel compiles for both generations of devices, without spills, at the cost that was reviewed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.nvrtc import ARCHITECTURES, compile_file
from vortex_crypto.gpu import sources

GOLDEN = Path(__file__).parent / "usage.golden.json"
# Of sm_80 and sm_90 alike: 64 Ki registers a multiprocessor, 48 KiB of shared memory a block without asking for more.
REGISTERS, SHARED_BYTES = 1 << 16, 48 << 10


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", sources.FILES)
def test_kernels_compile_without_spills(file: str, architecture: str, golden: Callable[[Path, str, Any], None]) -> None:
    compiled = compile_file(file, architecture)
    assert compiled.cubin_bytes > 0
    assert set(compiled.usage) == {kernel.name for kernel in sources.kernels().values() if kernel.file == file}
    for name, usage in sorted(compiled.usage.items()):
        assert usage["spill_bytes"] == 0, name
        assert usage["registers"] * sources.kernels()[name].threads <= REGISTERS, name
        assert usage["shared_bytes"] <= SHARED_BYTES, name
        golden(GOLDEN, f"{architecture}/{name}", usage)


def test_options_change_with_every_source() -> None:
    """CuPy's cache sees options and not headers."""
    assert f"-DVX_SOURCES={sources.digest()}" in sources.options()
    assert {kernel.file for kernel in sources.kernels().values()} == set(sources.FILES)
