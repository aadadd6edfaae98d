"""The code of a network as text: where it lies, what its build takes, its hash, and its import."""
