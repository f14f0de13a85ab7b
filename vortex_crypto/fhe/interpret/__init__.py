"""Readings of a CKKS circuit, one a file."""
