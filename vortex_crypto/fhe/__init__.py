"""CKKS circuits: building, planning and running them. Knows nothing of neural networks."""
