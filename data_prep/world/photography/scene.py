"""Photographs of landmarks and of streets without one: what stands where, and what hides it."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.architecture import clutter
from data_prep.world.architecture.buildings import Building, face, make_panel, place
from data_prep.world.architecture.city import NUM_ANONYMOUS, NUM_THINGS, City
from data_prep.world.landmark_ground_truth import View, landmark_box, visible_fraction
from data_prep.world.photography import light as lights
from data_prep.world.photography.camera import Camera, look_at, plane_homography
from data_prep.world.photography.rendering import Frame
from data_prep.world.photography.sensor import develop

ASPECTS = ((4, 3), (4, 3), (3, 4), (3, 2), (2, 3), (1, 1), (16, 9))
_LIGHT_SHARES = (0.64, 0.18, 0.18)  # day, dusk, night
_OTHERS = 1000  # owners from here on are not the landmark
_MAX_ANGLE = np.radians(65)


@dataclasses.dataclass(frozen=True)
class Photograph:
    """One rendered view.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        view: what is known about the landmark in it; None without a landmark.
        homographies: per visible facade, float64 [3, 3], metres (right, up from its bottom left corner) to
            pixels (x, y), pixel centres at whole numbers.
        owner: int32 [height, width]; 0 background, 1 + i panel i of the landmark, 1000 and more other things.
    """

    image: np.ndarray
    view: View | None
    homographies: dict[str, np.ndarray]
    owner: np.ndarray


def photograph_landmark(city: City, number: int, image_size: int, rng: np.random.Generator,
                        light_kind: str | None = None, clear: bool = False) -> Photograph:
    """A random view of a landmark.

    Args:
        city: the split's buildings.
        number: of the landmark.
        image_size: pixels of the longer side.
        rng: everything about this view.
        light_kind: "day", "dusk" or "night"; None draws one.
        clear: a view as one would take it to ask what this is: from the front half, large, little in the way.
    """
    building = city.landmark(number)
    light = lights.draw_light(rng, light_kind or str(rng.choice(lights.KINDS, p=_LIGHT_SHARES)))
    camera, angle = _stand_before(building, image_size, rng, clear)
    others = _neighbours(city, building, rng) + _skyline(city, building, rng)
    ground = int(rng.integers(clutter.GROUND_KINDS))
    if not clear and rng.random() < 0.12:
        others.append(_blocker(city, camera, building, rng))
    things = _things(city, camera, rng, crowd=0.4 if clear else 1.0)
    frame = _render(city, camera, light, ground, building, others, things, rng)
    homographies = _homographies(camera, building, frame.owner)
    owned = (frame.owner > 0) & (frame.owner < _OTHERS)
    view = View(light=light.kind, azimuth=float(np.degrees(angle)),
                visible_fraction=visible_fraction(camera, building, owned), box=landmark_box(owned),
                pixel_share=float(owned.mean()),
                distance=float(np.hypot(camera.position[0], camera.position[2])))
    return Photograph(develop(frame.colour, light, rng), view, homographies, frame.owner)


def photograph_day_and_night(city: City, number: int, image_size: int, rng: np.random.Generator,
                             moving_cameras: bool = False) -> dict[str, np.ndarray]:
    """A random view of a landmark, taken once by day and once by night.

    Between the two the camera is moved a little, people and cars go, and another lamp falls on everything.
    What stands around the landmark is the same in all its views.

    With `moving_cameras` the two have a view each: all of the landmark by day are from one side of its
    front's middle, all by night from the other, with cameras, heights and distances of their own.

    Args:
        city: the split's buildings.
        number: of the landmark.
        image_size: pixels of the longer side.
        rng: everything about this view.
        moving_cameras: other viewpoints by night than by day.

    Returns:
        "day" and "night" to uint8 [height, width, 3], RGB.
    """
    building = city.landmark(number)
    around = city.surroundings(number)
    others = _neighbours(city, building, around) + _skyline(city, building, around)
    ground = int(around.integers(clutter.GROUND_KINDS))
    sides = (-1, 1) if around.random() < 0.5 else (1, -1)
    images = {}
    for kind, side in zip(("day", "night"), sides):
        if kind == "day" or moving_cameras:
            camera, _ = _stand_before(building, image_size, rng, clear=True,
                                      side=side if moving_cameras else None)
            standing = [thing for thing in _things(city, camera, rng, crowd=1.0)
                        if thing.name in ("tree", "lamp")]
        light = lights.draw_light(rng, kind)
        here = _moved(camera, rng)
        passing = [thing for thing in _things(city, here, rng, crowd=0.4) if thing.name in ("person", "car")]
        frame = _render(city, here, light, ground, building, others, standing + passing, rng)
        images[kind] = develop(frame.colour, light, rng)
    return images


def _moved(camera: Camera, rng) -> Camera:
    """The camera as one who comes back sets it up: about 1 % of the distance and half a degree away."""
    distance = float(np.hypot(camera.position[0], camera.position[2]))
    position = camera.position + rng.normal(0, 0.007 * distance, 3) * (1, 0.2, 1)
    target = camera.position + camera.rotation[2] * distance + rng.normal(0, 0.006 * distance, 3)
    roll = np.arctan2(-camera.rotation[0, 1], -camera.rotation[1, 1]) + rng.normal(0, np.radians(0.3))
    return look_at(position, target, camera.focal, camera.width, camera.height, roll)


def photograph_street(city: City, image_size: int, rng: np.random.Generator) -> Photograph:
    """A random picture without a landmark: one anonymous building, a street, a park or mostly sky."""
    light = lights.draw_light(rng, str(rng.choice(lights.KINDS, p=_LIGHT_SHARES)))
    kind = rng.choice(["single", "street", "park", "sky"], p=[0.5, 0.28, 0.14, 0.08])
    subject = city.anonymous(int(rng.integers(NUM_ANONYMOUS)))
    camera, _ = _stand_before(subject, image_size, rng, clear=False)
    others = _street(city, rng) if kind == "street" else _skyline(city, subject, rng)
    if kind == "single":
        others += [place(subject, 0, 0), *_neighbours(city, subject, rng)]
    elif kind in ("street", "sky"):
        position = (rng.uniform(-3, 3), rng.uniform(1.5, 5.0), -rng.uniform(20, 40))
        height = rng.uniform(2, 10) if kind == "street" else 26.0
        target = (rng.uniform(-8, 8), height, 30.0)
        camera = look_at(position, target, _focal(image_size, rng.uniform(45, 75)),
                         *_picture_size(image_size, rng), _roll(rng))
    things = _things(city, camera, rng, crowd=2.5 if kind == "park" else 1.0)
    frame = _render(city, camera, light, int(rng.integers(clutter.GROUND_KINDS)), None, others, things, rng)
    return Photograph(develop(frame.colour, light, rng), None, {}, frame.owner)


def _picture_size(image_size, rng, fits=0.0) -> tuple[int, int]:
    """Width and height in pixels; mostly upright for a subject whose width by height, `fits`, is below 1."""
    aspects = ASPECTS
    if fits and rng.random() < 0.85:
        aspects = [aspect for aspect in ASPECTS if (aspect[0] >= aspect[1]) == (fits > 1.0)]
    across, down = aspects[rng.integers(len(aspects))]
    return round(across * image_size / max(across, down)), round(down * image_size / max(across, down))


def _focal(image_size, field_of_view) -> float:
    """Pixels, for a field of view of the longer side in degrees."""
    return 0.5 * image_size / np.tan(np.radians(field_of_view) / 2)


def _roll(rng) -> float:
    return rng.normal(0, np.radians(2.0))


def _stand_before(building: Building, image_size, rng, clear, side=None) -> tuple[Camera, float]:
    """A camera before a building's front, and its azimuth in radians, positive to the right.

    It stands on any side, or on that of the sign `side`.
    """
    spread = 0.45 if clear else 1.0
    angle = _MAX_ANGLE * spread * (side or rng.choice([-1, 1])) * rng.beta(1.0, 2.2)
    size = np.exp(rng.uniform(np.log(0.85), np.log(1.15)) if clear else rng.uniform(np.log(0.85),
                                                                                    np.log(1.5)))
    width = building.width * np.cos(angle) + building.depth * abs(np.sin(angle)) * 0.6
    focal = _focal(image_size, rng.uniform(40, 74))
    columns, rows = _picture_size(image_size, rng, fits=width / building.height)
    distance = focal * max(width / (size * columns), building.height / (size * rows))
    distance = float(np.clip(distance, 9.0 / np.cos(angle), 140))
    eye = rng.uniform(1.5, 2.0) if rng.random() < 0.75 else rng.uniform(3, 0.7 * building.height + 3)
    position = (distance * np.sin(angle), eye, -distance * np.cos(angle))
    offset = (0.08 if clear else 0.2) * rng.uniform(-1, 1, 2)
    seen_height = min(building.height, 1.1 * distance)  # nobody looks straight up
    target = (offset[0] * building.width, seen_height * (0.42 + 0.4 * offset[1]), 0.0)
    camera = look_at(position, target, focal, columns, rows, _roll(rng))
    return camera, float(angle)


def _neighbours(city, building, rng) -> list[Building]:
    placed = []
    for side in (-1, 1):
        if rng.random() < 0.6:
            other = city.anonymous(int(rng.integers(NUM_ANONYMOUS)))
            x = side * (0.5 * building.width + 0.5 * other.width + rng.uniform(1.0, 9.0))
            placed.append(place(other, x, rng.uniform(-1.0, 6.0)))
    return placed


def _skyline(city, building, rng) -> list[Building]:
    return [place(city.anonymous(int(rng.integers(NUM_ANONYMOUS))), rng.uniform(-75, 75),
                  building.depth + rng.uniform(12, 60),
                  rng.uniform(-0.4, 0.4)) for _ in range(rng.integers(1, 5))]


def _street(city, rng) -> list[Building]:
    placed, half = [], rng.uniform(7, 13)
    for side in (-1, 1):
        z = rng.uniform(-30, -10)
        while z < 60:
            other = city.anonymous(int(rng.integers(NUM_ANONYMOUS)))
            placed.append(place(other, side * half, z + other.width / 2, side * np.pi / 2))
            z += other.width + rng.uniform(0, 6)
    return placed


def _blocker(city, camera, building, rng) -> Building:
    """Another building that stands before part of the landmark."""
    other = city.anonymous(int(rng.integers(NUM_ANONYMOUS)))
    part = rng.uniform(0.3, 0.6)
    side = rng.choice([-1, 1])
    x = part * camera.position[0] + side * (rng.uniform(0.05, 0.4) * building.width + 0.5 * other.width)
    return place(other, x, min(-other.depth - 1.0, (part - 0.15) * camera.position[2]), 0.0)


def _things(city, camera, rng, crowd) -> list:
    """Billboards of trees, people, cars and lamps on the ground before the camera."""
    panels = []
    forward = camera.rotation[2] * (1, 0, 1)
    forward /= np.linalg.norm(forward)
    across = np.cross((0.0, 1.0, 0.0), forward)
    reach = float(np.clip(-camera.position[2], 10, 60))
    spread = camera.width / camera.focal / 2
    for kind, rate in (("tree", 0.45), ("person", 2.5), ("car", 0.4), ("lamp", 0.35)):
        for _ in range(rng.poisson(rate * crowd)):
            nearest = {"tree": 0.35, "person": 0.2, "car": 0.25, "lamp": 0.2}[kind]
            depth = rng.uniform(nearest, 0.95) * reach
            spot = camera.position + forward * depth + across * rng.uniform(-1.1, 1.1) * spread * depth
            texture = city.thing(kind, int(rng.integers(NUM_THINGS)))
            panels.append(make_panel(kind, "billboard", (spot[0], 0.0, spot[2]), (1, 0, 0), (0, 1, 0),
                                     texture))
    return panels


def _render(city, camera, light, ground, building, others, things, rng) -> Frame:
    pitch = np.arctan2(camera.rotation[2, 1], np.hypot(camera.rotation[2, 0], camera.rotation[2, 2]))
    horizon_row = (camera.height - 1) / 2 + camera.focal * np.tan(pitch)
    background = lights.draw_sky(light, camera.width, camera.height, horizon_row, rng)
    frame = Frame(camera, light, background)
    frame.paint(city.ground(ground), _OTHERS)
    jobs = []
    for index, panel in enumerate(building.panels if building else ()):
        jobs.append((panel, 1 + index, True, (1.0, 1.0)))
    for other in others:
        glow = rng.uniform(0.0, 1.2, 2)
        jobs += [(panel, _OTHERS + 1, False, glow) for panel in other.panels]
    jobs += [(panel, _OTHERS + 2, False, (1.0, 1.0)) for panel in things]
    jobs = [(face(panel, camera.position), *rest) for panel, *rest in jobs]
    jobs = [job for job in jobs if job[0].normal @ (camera.position - job[0].origin) > 0.02]
    jobs.sort(key=lambda job: -float(np.linalg.norm(job[0].centre - camera.position)))
    for panel, owner, is_landmark, glow in jobs:
        frame.paint(panel, owner, is_landmark, glow)
    return frame


def _homographies(camera, building, owner) -> dict[str, np.ndarray]:
    seen = np.bincount(owner.ravel()).nonzero()[0]
    return {panel.name: plane_homography(camera, panel.origin, panel.right, panel.up)
            for index, panel in enumerate(building.panels)
            if panel.role in ("front", "side") and 1 + index in seen}
