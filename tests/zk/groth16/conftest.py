"""Programs, set up and proved once."""

from __future__ import annotations

import pytest

from tests.zk.groth16.cases import Case, attacked_case, case_of, committed_program, plain_program


@pytest.fixture(scope="session")
def plain() -> Case:
    return case_of(plain_program(), {"x": 5, "b": 7})


@pytest.fixture(scope="session")
def committed() -> Case:
    return case_of(committed_program(), {"w": [2, -1], "x": [1, 3]})


@pytest.fixture(params=["plain", "committed"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the two."""
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def attacked() -> dict[str, Case]:
    """The programs under attack by kind, made when they are first asked for."""

    class Cases(dict[str, Case]):
        def __missing__(self, kind: str) -> Case:
            self[kind] = attacked_case(kind)
            return self[kind]

    return Cases()
