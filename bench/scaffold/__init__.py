"""Short files of a new benchmark on top of the packaged ones: own slices, an own network, an own condition."""
