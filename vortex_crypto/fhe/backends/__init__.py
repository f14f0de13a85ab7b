"""Ways to run a planned circuit, behind one protocol."""
