"""The MLflow store. The only package that imports MLflow, and only where something is written or far away.

MLflow reads its settings from the environment, some of them while it is imported; here is where every
import of it passes first. What the user has set holds.
"""

import os

_SETTINGS = {
    # No usage reports.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # `connection.Connection` tries again, and says so; MLflow would do so silently and for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # Standard output belongs to the command, which may have promised one JSON object.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
