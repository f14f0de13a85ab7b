"""Constraint gadgets, one a file."""
