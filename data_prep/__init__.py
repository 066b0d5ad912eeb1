"""Jobs that turn raw image collections into TFRecord shards, and the reader of those shards."""

import os

from data_prep.stage.public_names import PublicNames

# Before TensorFlow is imported: no start-up chatter. Its errors reach Python as exceptions all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__getattr__ = PublicNames(__name__, {
    "build": "data_prep.building.building:build",
    "BuildConfig": "data_prep.building.config:BuildConfig",
    "JobConfig": "data_prep.stage.jobs:JobConfig",
    "make_dataset": "data_prep.records.pipeline:make_dataset",
    "iterate_examples": "data_prep.records.pipeline:iterate_examples",
    "load_manifest": "data_prep.records.manifest:load_manifest",
    "validate": "data_prep.checking.validation:validate",
    "download": "data_prep.downloads.downloading:download",
    "DownloadConfig": "data_prep.downloads.downloading:DownloadConfig",
    "PUBLIC_SETS": "data_prep.downloads.public_sets:PUBLIC_SETS",
})
__dir__ = __getattr__.dir
__all__ = list(__getattr__.places)
