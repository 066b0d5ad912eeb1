"""Search photographs on a page in the browser, or by a JSON API.

    python -m delg.serve --images_dir=photos

Describes what is new in the folder, as delg.find_images does, whose work folder it shares; then prints the
address of the page, and answers until Ctrl-C. `--work_dir=photos.found` serves what that has described
before; `--index_dir`, `--index_features` and `--saved_model` what was made by stages. The API is described at
/openapi.json. Other machines are answered with --host=0.0.0.0 alone.
"""

from __future__ import annotations

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from delg.settings.places import PlacesConfig
from delg.settings.serving import ServeConfig

_config = define_flags(ServeConfig)
_places_config = define_flags(PlacesConfig)


def main(_: list[str]) -> None:
    config, places = _config(), _places_config()
    from delg.serving.server import serve  # after the settings: TensorFlow is slow

    serve(config, places, lambda address, num_images: print(
        f"{address}: {num_images} images. Ctrl-C ends.", flush=True))
    command_line.finish("")


if __name__ == "__main__":
    command_line.run(main)
