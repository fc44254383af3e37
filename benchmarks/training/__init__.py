"""How fast models train: `python -m benchmarks.training`."""
