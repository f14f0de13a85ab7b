"""EIP-196 and EIP-197, calls that fail included, on every instruction set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.arith.field.precompiles import CONTRACTS
from vortex_crypto.arith.field.native import NativeKernels, instruction_sets
from vortex_crypto.errors import MalformedProof

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "bn254_precompiles.json").read_text())["cases"]


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['contract']}: {case['name']}")
def test_contract(case: dict[str, str], isa: str) -> None:
    contract, data = CONTRACTS[case["contract"]], bytes.fromhex(case["input"])
    if case["expected"]:
        assert contract(NativeKernels(isa), data).hex() == case["expected"]
    else:
        with pytest.raises(MalformedProof):
            contract(NativeKernels(isa), data)
