"""The whole search: global ranking, re-ranking, geometric verification, calibration."""
