"""What a training of the VAE chooses among for its images: augmentations, of data_prep, and pairings."""

from __future__ import annotations

from data_prep.stage.table import Table

AUGMENTATIONS = Table("augmentation", {  # records: data_prep.images.augmentations.Augmentation
    "none": "data_prep.images.augmentations:NONE",
    "crop": "data_prep.images.augmentations:PAPER",
})
PAIRINGS = Table("pairing", {  # records: vae.data.day_night_images.Pairing
    "frame": "vae.data.day_night_images:FRAME",
    "place": "vae.data.day_night_images:PLACE",
})
