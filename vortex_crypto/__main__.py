"""`python -m vortex_crypto` is the command line."""

from vortex_crypto.cli import main

main()
