"""The two programs, set up and proved once."""

from __future__ import annotations

import pytest

from tests.zk.groth16.cases import Case, committed_program, plain_program
from vortex_crypto.zk.groth16.prove import commit, fresh_mask, prove
from vortex_crypto.zk.groth16.setup import setup


@pytest.fixture(scope="session")
def plain() -> Case:
    program, inputs = plain_program(), {"x": 5, "b": 7}
    key = setup(program.r1cs)
    return Case(program, key, inputs, {}, prove(key, program, inputs), {})


@pytest.fixture(scope="session")
def committed() -> Case:
    program, inputs = committed_program(), {"w": [2, -1], "x": [1, 3]}
    key, masks = setup(program.r1cs), {"weights": fresh_mask()}
    published = {"weights": commit(key, program, "weights", inputs, masks["weights"])}
    return Case(program, key, inputs, masks, prove(key, program, inputs, masks=masks), published)


@pytest.fixture(params=["plain", "committed"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the two."""
    found: Case = request.getfixturevalue(request.param)
    return found
