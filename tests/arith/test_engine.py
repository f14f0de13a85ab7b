"""Which engine computes where none is given."""

from __future__ import annotations

import sys
import threading

import pytest

from vortex_crypto.arith import engine, field, ring
from vortex_crypto.arith.engine import VARIABLE, chosen, preferred, using
from vortex_crypto.errors import InvalidInput, ParameterRefused


def test_the_nearest_choice_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (chosen(), preferred()) == (None, engine._compiled())
    monkeypatch.setenv(VARIABLE, "reference")
    assert (chosen(), preferred()) == (None, "reference")
    with using("cuda"):
        with using(None):
            assert preferred() == "cuda"
        with using("native"):
            assert (chosen(), preferred()) == ("native", "native")
        assert chosen() == "cuda"
    assert preferred() == "reference"


def test_a_choice_ends_with_its_block_even_in_errors_and_is_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    seen: list[str | None] = []
    with pytest.raises(KeyError), using("reference"):
        thread = threading.Thread(target=lambda: seen.append(chosen()))
        thread.start()
        thread.join()
        raise KeyError
    assert seen == [None]
    assert chosen() is None


def test_without_the_compiled_core_the_definition_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vortex_crypto._native", None)
    assert engine._compiled.__wrapped__() == "reference"


def test_an_engine_of_another_name_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "abacus")
    with pytest.raises(ParameterRefused, match="'abacus'; choose from 'reference', 'native'"):
        ring.engine(preferred())
    with pytest.raises(InvalidInput, match="'abacus'; choose from reference, native"):
        field.engine(preferred())
