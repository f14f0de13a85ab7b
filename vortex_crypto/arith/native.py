"""The one place that imports the compiled core, so that its absence is one clear error."""

from __future__ import annotations

import importlib
from types import ModuleType

from vortex_crypto.errors import MissingDependency


def load() -> ModuleType:
    """The compiled extension `vortex_crypto._native`.

    Raises:
        MissingDependency: the package runs from a source tree in which the extension was never built.
    """
    try:
        return importlib.import_module("vortex_crypto._native")
    except ImportError as error:
        raise MissingDependency("the compiled core is missing; run `pip install .` in the source tree") from error
