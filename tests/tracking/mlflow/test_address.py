from __future__ import annotations

from pathlib import Path

import pytest

from ablab.tracking.mlflow import address


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://team:secret@ml.example.org:5000/x", "http://ml.example.org:5000/x"),
        ("postgresql+psycopg2://team:se@cret@db/mlflow", "postgresql+psycopg2://db/mlflow"),
        ("sqlite:////srv/mlruns/mlflow.db", "/srv/mlruns/mlflow.db"),
    ],
)
def test_addresses_are_shown_without_passwords(uri: str, shown: str):
    assert address.shown(uri) == shown


def test_a_file_below_the_working_directory_is_shown_relative_to_it():
    assert address.shown(f"sqlite:///{Path.cwd() / 'mlruns' / 'mlflow.db'}") == "mlruns/mlflow.db"
