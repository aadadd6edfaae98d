"""The cache of degraded and reference slices on disk."""
