"""Day and night photographs whose folders say where, when and with which camera each was taken.

One folder of every path names the time of day: `day`, `night`, or a condition of the sets below, alone or at
the end of a name (`SYNTHIA-SEQS-04-NIGHT`). Folders named after a camera (`left`, `Stereo_Right`, `Omni_F`,
`rear`) say the camera, the file's name says the frame, and all other folders together are the sequence. Where
there are none, and files are named by their time in microseconds, a sequence ends where the camera paused:

    SYNTHIA:            SYNTHIA-SEQS-04-NIGHT/RGB/Stereo_Left/Omni_F/000123.png
                        synthia_seq4/night/left/000123.png
    RobotCar Seasons:   images/night-rain/rear/1418235223450115.jpg
    Tokyo 24/7:         00001/night/direction1.jpg
    any:                night/place/name.jpg
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

DAY, NIGHT = DOMAINS = ("day", "night")
# Dawn, dusk and sunset count as day, as in the evaluation of RobotCar Seasons.
_DOMAIN_OF = {
    **dict.fromkeys(("day", "daytime", "sun", "sunny", "overcast", "overcast-reference", "overcast-summer",
                     "overcast-winter", "rain", "snow", "dawn", "dusk", "sunset", "spring", "summer", "fall",
                     "winter", "fog", "softrain"), DAY),
    **dict.fromkeys(("night", "nighttime", "night-rain", "rainnight", "winternight"), NIGHT)}
_CAMERA = re.compile(r"(stereo_)?(left|right)|rear|front|omni_[fblr]", re.IGNORECASE)
_PLAIN = re.compile("images|rgb", re.IGNORECASE)  # folders that say nothing
_OTHER_DATA = re.compile("depth|gt|camera_?params|3d-models|intrinsics|extrinsics", re.IGNORECASE)
_TIMESTAMP = re.compile("[0-9]{16}")  # microseconds
_PAUSE = 10_000_000  # microseconds without a photograph, after which another sequence begins; chosen


class View(NamedTuple):
    """What the path of a photograph says."""

    path: str
    domain: str
    sequence: str  # photographs of equal sequence may show the same; empty: not known
    camera: str
    frame: str


def read_views(paths: Iterable[str], images_dir: str) -> list[View]:
    """What each path says; paths relative to `images_dir`. Depth maps and the like are passed by.

    Raises:
        ValueError: if no folder of a path names a time of day, or two do.
    """
    views = [_read_view(path, images_dir) for path in paths
             if not any(_OTHER_DATA.fullmatch(part) for part in path.split(os.sep)[:-1])]
    return _by_time(views)


def _read_view(path: str, images_dir: str) -> View:
    *folders, name = path.split(os.sep)
    domains, cameras, places = [], [], []
    for folder in folders:
        domain, rest = _domain(folder)
        if domain:
            domains.append((folder, domain))
            places += [rest] if rest else []
        elif _CAMERA.fullmatch(folder):
            cameras.append(folder)
        elif not _PLAIN.fullmatch(folder):
            places.append(folder)
    if len(domains) != 1:
        raise ValueError(f"One folder of every image in {images_dir} must name a time of day, such as day or "
                         f"night, where there is no places.csv. Received: {path!r}.")
    return View(path, domains[0][1], "/".join(places), "/".join(cameras), os.path.splitext(name)[0])


def _domain(folder: str) -> tuple[str | None, str]:
    """The domain a folder names, and what else its name says: the sequence in SYNTHIA-SEQS-04-NIGHT."""
    if folder.lower() in _DOMAIN_OF:
        return _DOMAIN_OF[folder.lower()], ""
    rest, separator, last = folder.rpartition("-")
    return (_DOMAIN_OF.get(last.lower()), rest) if separator else (None, "")


def _by_time(views: list[View]) -> list[View]:
    """Views without sequence that are named by their time get one: its first time, anew after each pause."""
    rows = [row for row, view in enumerate(views) if not view.sequence and _TIMESTAMP.fullmatch(view.frame)]
    first = before = -_PAUSE - 1
    for row in sorted(rows, key=lambda row: int(views[row].frame)):
        time = int(views[row].frame)
        if time - before > _PAUSE:
            first = time
        before = time
        views[row] = views[row]._replace(sequence=str(first))
    return views
