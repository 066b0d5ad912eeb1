"""Settings of the procedural worlds."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, setting


@dataclasses.dataclass(frozen=True)
class WorldConfig:
    """A world of landmarks. All but `num_workers` and `output_dir` decides the bytes of the images."""

    output_dir: str = setting(help="folder that the world is written to", written=True)
    seed: int = setting(0, help="seed of the city: another seed is another city", range="[0, inf)")
    num_landmarks: int = setting(
        60, help="landmarks to train on; 0 writes no training images", range="[0, inf)")
    views_per_landmark: int = setting(50, help="training images of each landmark", range="[1, inf)")
    image_size: int = setting(256, help="longer side of the images", unit="pixels", range="[48, 2048]")
    siblings: int = setting(3, help="landmarks that share a style of building", range="[1, inf)")
    num_eval_landmarks: int = setting(
        36, help="landmarks of the evaluation set, never trained on; 0 writes no evaluation set",
        range="[0, inf)")
    eval_views_per_landmark: int = setting(
        7, help="index images of each evaluation landmark", range="[1, inf)")
    queries_per_landmark: int = setting(2, help="query images of each evaluation landmark", range="[1, inf)")
    num_distractors: int = setting(600, help="index images that show no landmark", range="[0, inf)")
    num_workers: int = setting(
        0, help="processes that draw, which do not change the images; 0: one per core", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
        if self.num_landmarks == 0 and self.num_eval_landmarks == 0:
            raise ValueError("`num_landmarks` or `num_eval_landmarks` must be above 0. Received: 0 and 0.")

    @property
    def texture_size(self) -> int:
        """Pixels of the longer side of a landmark's largest front."""
        return min(max(3 * self.image_size, 384), 2048)


@dataclasses.dataclass(frozen=True)
class DayNightWorldConfig:
    """A world of places by day and by night; all but `num_workers` and `output_dir` decides its bytes."""

    output_dir: str = setting(help="folder that the world is written to", written=True)
    seed: int = setting(0, help="seed of the city: another seed is another city", range="[0, inf)")
    num_places: int = setting(160, help="places to find again by night", range="[1, inf)")
    views_per_place: int = setting(
        4, help="views of a place, each by day and by night, from nearly the same spot unless "
           "`moving_cameras`", range="[1, inf)")
    moving_cameras: bool = setting(
        False, help="other viewpoints by night than by day: of a place, the days are taken from one side of "
        "its front and the nights from the other, and no photographs are pairs")
    image_size: int = setting(96, help="longer side of the images", unit="pixels", range="[48, 2048]")
    siblings: int = setting(
        2, help="places that share a style of building; no split of the data tears them apart",
        range="[1, inf)")
    num_workers: int = setting(
        0, help="processes that draw, which do not change the images; 0: one per core", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
