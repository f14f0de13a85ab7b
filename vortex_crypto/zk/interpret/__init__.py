"""Readings of an R1CS circuit, one a file."""
