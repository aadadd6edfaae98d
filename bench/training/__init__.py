"""Training and scoring of one network; the only package with Keras at its head."""
