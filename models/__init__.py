"""The benchmark's networks: one network, one file, one public ``build``."""
