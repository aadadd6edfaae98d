"""The audit of the simulator against closed forms. No source, no network, no backend."""
