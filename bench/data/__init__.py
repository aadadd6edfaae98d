"""From slices on disk, or of a phantom, to the batches that networks train on."""
