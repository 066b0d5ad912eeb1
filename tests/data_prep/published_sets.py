"""Writes tiny sets in the layouts of the published ones, with images for those who read them."""

from __future__ import annotations

import os

import numpy as np
from scipy import io

from tests.data_prep import photographs


def write_images(directory: str, *paths: str) -> None:
    """Writes a JPEG for each path, every one different."""
    for seed, path in enumerate(paths):
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(photographs.jpeg(seed=seed))


def write_tables(directory: str, **tables: str) -> dict[str, str]:
    """Writes a text file NAME.csv for each; name -> path."""
    paths = {name: os.path.join(directory, f"{name}.csv") for name in tables}
    for name, path in paths.items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(tables[name])
    return paths


def write_cub(directory: str, num_images: int = 2) -> None:
    """Two classes of an even number of images, half of each to train on."""
    names = [f"{folder}_{number}.jpg" for folder in ("001.Wren/a", "002.Jay/b")
             for number in range(1, num_images + 1)]
    write_images(directory, *(f"images/{name}" for name in names))
    half = num_images // 2
    columns = {"images": names, "image_class_labels": [1] * num_images + [2] * num_images,
               "train_test_split": [1, 0] * half + [0, 1] * half, "classes": ("001.Wren", "002.Jay")}
    for table, values in columns.items():
        with open(os.path.join(directory, f"{table}.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{number} {value}\n" for number, value in enumerate(values, 1))


def write_dogs(directory: str, num_images: int = 2) -> None:
    """Two classes of an even number of images, half of each to train on."""
    os.makedirs(os.path.join(directory, "lists"))
    half = num_images // 2
    for part in ("train", "test"):
        names = [f"{folder}/{part}{number or ''}.jpg" for folder in ("n01-Pug", "n02-Collie")
                 for number in range(half)]
        write_images(directory, *(f"Images/{name}" for name in names))
        cells = np.empty((2 * half, 1), object)
        cells[:, 0] = names
        io.savemat(os.path.join(directory, "lists", f"{part}_list.mat"),
                   {"file_list": cells, "labels": np.repeat([[1], [2]], half, axis=0)})
