"""Residue rings Z_q[X]/(X^N+1): number-theoretic transforms and RNS arithmetic for CKKS."""
