"""Settings of the report."""

from __future__ import annotations

import dataclasses
import os

from data_prep.stage.settings import check_fields, require, setting


@dataclasses.dataclass(frozen=True)
class VisualizeConfig:
    """One report of what vae.run_experiment left."""

    experiment_dir: str = setting(help="folder written by vae.run_experiment")
    output_dir: str = setting(help="folder that the page is written to", written=True)
    channels: str = setting(
        "", help="channels to project back, numbers with commas between them; empty: the heaviest")
    layer: str = setting("latent", help="layer of the shared encoder whose channels are projected back")
    images: str = setting(
        "", help="ids of the images to project back to, with commas between them; empty: some of the "
        "reported places")
    num_images: int = setting(6, help="images shown per picture", range="(0, inf)")
    num_hits: int = setting(6, help="neighbours shown of each query", range="(0, inf)")
    image_size: int = setting(
        224, help="side of the images that descriptors see", unit="pixels", range="(0, inf)")

    def __post_init__(self):
        check_fields(self)
        require(all(part.strip().isdigit() for part in self.channels.split(",") if self.channels),
                "`channels` must be numbers with commas between them.", channels=self.channels)

    def path(self, *names: str) -> str:
        """A path under `experiment_dir`."""
        return os.path.join(self.experiment_dir, *names)
