"""Where slices come from: the phantom, a folder, ready pairs, measured doses."""
