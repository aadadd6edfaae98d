"""The cache of degraded and reference slices on disk."""

CACHE = ".bench-cache"  # where it lies, if nothing else is said
