"""File formats: what a file says of its slices, and their pixels."""
