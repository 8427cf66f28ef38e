"""What the project costs beside its peers: ``python -m benchmarks [NAME ...]``."""
