"""The command line: `vortex-crypto COMMAND`, one module a family of commands."""

from vortex_crypto.cli.app import main

__all__ = ["main"]
