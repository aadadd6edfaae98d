"""A trained network on a person's own series: read, denoised a few slices at a time, and written as the same kind."""
