"""Measurements against named peers; run one as `python -m benchmarks.NAME [--json]`."""
