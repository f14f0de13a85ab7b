"""Rewrites of an R1CS, one a file."""
