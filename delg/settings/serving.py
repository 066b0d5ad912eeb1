"""Settings of the server that searches photographs."""

from __future__ import annotations

import dataclasses
import ipaddress

from data_prep.stage.settings import check_fields, like, require, setting
from delg.settings.photos import PhotosConfig


@dataclasses.dataclass(frozen=True)
class ServeConfig:
    """What is searched, where the server listens, and how much it takes."""

    images_dir: str = like(
        PhotosConfig, "images_dir", "", help="folder of photographs, searched as by delg.find_images; or "
        "give work_dir or index_dir")
    work_dir: str = like(
        PhotosConfig, "work_dir", help="folder that delg.find_images keeps, of which the server knows the "
        "photographs; empty: IMAGES_DIR.found")
    index_dir: str = setting(
        "", help="folder of delg.build_index, searched instead of a folder of photographs; needs "
        "index_features and saved_model")
    index_features: str = setting("", help="glob or folder of the feature shards of the images of index_dir")
    local_index_dir: str = setting(
        "", help="index of local features of the same images, whose similarities are added")
    images: str = setting(
        "", help="folder of the image files of index_dir, whose ids are their paths in it; empty: no "
        "pictures")
    saved_model: str = like(PhotosConfig, "saved_model")
    verdict: str = like(PhotosConfig, "verdict")
    host: str = setting("127.0.0.1", help="address to listen at; by default this machine alone is answered")
    port: int = setting(8000, help="to listen at; 0: any that is free", range="[0, 65535]")
    token: str = setting(
        "", help="word that whoever changes the collection must give; without it nobody may where host is "
        "another than this machine")
    max_upload_mb: int = setting(
        32, help="files that are sent to the server may have at most so much", unit="MiB", range="[1, 1024]")
    max_megapixels: int = setting(
        64, help="images of more are refused before they are decoded", unit="million pixels",
        range="[1, 1000]")
    max_searches: int = setting(
        32, help="searches under way at once; more are asked to come again", range="[1, 1024]")
    max_seconds: int = setting(
        60, help="time that a client has to send a request", unit="seconds", range="[1, 3600]")

    def __post_init__(self):
        check_fields(self)
        of_folder = bool(self.images_dir or self.work_dir)
        require(of_folder != bool(self.index_dir), "`images_dir` or `work_dir`, or else `index_dir`, must be "
                "given.", images_dir=self.images_dir, work_dir=self.work_dir, index_dir=self.index_dir)
        require(bool(self.index_dir) == bool(self.index_features), "`index_features` must come with "
                "`index_dir`.", index_dir=self.index_dir, index_features=self.index_features)
        require(not self.index_dir or self.saved_model, "`saved_model` must come with `index_dir`.",
                index_dir=self.index_dir, saved_model=self.saved_model)
        require(bool(self.index_dir) or not (self.local_index_dir or self.images), "`local_index_dir` and "
                "`images` must come with `index_dir`.", local_index_dir=self.local_index_dir,
                images=self.images)
        require(not self.token or len(self.token) >= 8 and self.token.isascii() and self.token.isprintable(),
                "`token` must have 8 characters of ASCII or more.", token=f"{len(self.token)} characters")

    @property
    def is_local(self) -> bool:
        """Whether this machine alone is answered."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False
