"""R1CS circuits and Groth16 proofs. Knows nothing of neural networks."""
