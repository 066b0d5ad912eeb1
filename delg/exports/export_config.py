"""What `export_config.json` beside a SavedModel of ours says of it."""

from __future__ import annotations

import os
from typing import Any

from data_prep.stage import files

CONFIG_FILE = "export_config.json"


def read_export_config(export_dir: str) -> dict[str, Any] | None:
    """What `export_config.json` holds; None where there is none, as beside models of others."""
    path = os.path.join(export_dir, CONFIG_FILE)
    if not os.path.exists(path):
        return None
    config = files.read_checked_json(path)
    if "fingerprint" not in config:
        raise ValueError(f"{path} must hold an object with the key \"fingerprint\".")
    return config
