"""Programs, interfaces and proofs from outside, with any part replaced, raise this package's errors or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.nn.graphs import gated
from tests.zk.test_circuit import everything
from vortex_crypto.container import Artefact
from vortex_crypto.errors import VortexError
from vortex_crypto.nn.compile_zk import ZkProgram, compile_zk, proof_from_artefact
from vortex_crypto.nn.statement import ZkInterface
from vortex_crypto.zk.plan import Program

STRANGE: tuple[Any, ...] = (None, -1, 1 << 70, "x", [], [[]], {}, 3.5, True, [1 << 70], ["weights", -5, True], "1" * 90)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested lists and dicts; of a long list, the first two and the last."""
    yield prefix
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*prefix, key))
    elif isinstance(value, list):
        for index in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            yield from paths(value[index], (*prefix, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def plain(value: Any) -> Any:
    """As a container would give it back: tuples become lists."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def variants(artefact: Artefact) -> Iterator[Artefact]:
    meta = plain(dict(artefact.meta))
    for path in list(paths(meta))[1:]:
        for new in STRANGE:
            yield dataclasses.replace(artefact, meta=replaced(meta, path, new))
    for name, array in artefact.arrays.items():
        others = [array[:-1], array.astype(np.float64), array[None], np.zeros(0, array.dtype), np.full_like(array, 255)]
        for other in others:
            yield dataclasses.replace(artefact, arrays={**artefact.arrays, name: other})
        yield dataclasses.replace(artefact, arrays={k: v for k, v in artefact.arrays.items() if k != name})


def network() -> ZkProgram:
    return compile_zk(gated(np.random.default_rng(4)), input_ranges={"x": (-1.0, 1.0)}, weights="private")


def receipt() -> Artefact:
    return Artefact("zk-proof", "p", {"public": ["1", "2"]}, {"proof": np.zeros(128, dtype=np.uint8)})


CASES: dict[str, tuple[Callable[[], Artefact], Callable[[Artefact], Any]]] = {
    "program": (lambda: everything().to_artefact(), Program.from_artefact),
    "network": (lambda: network().to_artefact(), ZkProgram.from_artefact),
    "interface": (lambda: network().interface.to_artefact(), ZkInterface.from_artefact),
    "proof": (receipt, proof_from_artefact),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_but_our_errors_is_raised(name: str) -> None:
    make, read = CASES[name]
    refused = 0
    for variant in variants(make()):
        try:
            read(variant)
        except VortexError:
            refused += 1
    assert refused > 20
