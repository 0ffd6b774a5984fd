"""Recordings -> windows: corpora, their checks, the leakage guard, simulated listeners; `DATASETS`."""
