"""Cells are run: resolved, handed to worker processes, trained, scored, recorded."""
