"""Groth16 over BN254 with committed witnesses."""
