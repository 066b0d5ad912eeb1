"""How the images of a training of the VAE may be changed: names of its own for records of data_prep."""

from __future__ import annotations

from data_prep.stage.table import Table

AUGMENTATIONS = Table("augmentation", {  # records: data_prep.images.augmentations.Augmentation
    "none": "data_prep.images.augmentations:NONE",
    "crop": "data_prep.images.augmentations:PAPER",
})
