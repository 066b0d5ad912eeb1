"""Groups of photographs as a page of pictures: the medoid of each large, the others small, repeats marked."""

from __future__ import annotations

import os
from typing import Any

from data_prep.images.intake import read_picture
from delg.photos.groups import Group
from delg.pictures import drawing
from delg.pictures import page as pictures_page
from delg.pictures.page_pictures import PagePictures

_MEDOID, _MEMBER = (360, 480), (180, 240)  # height and width at most, pixels


def write_html(path: str, groups: list[Group]) -> None:
    """Writes the page, which needs no other file but, where there are many pictures, a folder of them."""
    pictures = PagePictures(path)
    together = [(number, group) for number, group in enumerate(groups) if len(group.images) > 1]
    alone = [image for group in groups for image in group.images if len(group.images) == 1]
    folder = os.path.dirname(os.path.commonprefix([image for group in groups for image in group.images]))
    cards = [{"anchor": f"group-{number}", "number": number,
              "medoid": os.path.relpath(group.medoid, folder or "."),
              "picture": _add(pictures, group.medoid, _MEDOID),
              "members": [_member(pictures, group, image, folder or ".") for image in group.images
                          if image != group.medoid]}
             for number, group in together]
    page = pictures_page.render("delg.photos", "groups.html.j2", title="Photographs of one thing",
                                cards=cards, source=pictures.source,
                                alone=[os.path.relpath(image, folder or ".") for image in alone],
                                num_images=sum(len(group.images) for group in groups))
    pictures_page.write_page_file(path, page)
    pictures.remove_others()


def _member(pictures: PagePictures, group: Group, image: str, folder: str) -> dict[str, Any]:
    same_file = _others(image, group.same_file)
    same_picture = _others(image, group.same_picture)
    return {"image": os.path.relpath(image, folder), "picture": _add(pictures, image, _MEMBER),
            "same_file": [os.path.relpath(other, folder) for other in same_file],
            "same_picture": [os.path.relpath(other, folder) for other in same_picture]}


def _others(image: str, sets: list[list[str]]) -> list[str]:
    return [other for some in sets if image in some for other in some if other != image]


def _add(pictures: PagePictures, image: str, size: tuple[int, int]) -> str:
    return pictures.add(drawing.fit(read_picture(image), *size)[0])
