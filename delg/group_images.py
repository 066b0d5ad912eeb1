"""Bring together the photographs of a folder that show one thing.

    python -m delg.group_images --images_dir=photos --output=groups.csv

Writes a table with the columns image and group, a row per photograph; with --output=groups.json also each
group's medoid, equal files, and files of one picture at another size or in another encoding, which
--output=groups.html shows as a page of pictures. Shares the work folder of delg.find_images: what that has
described is not described again. Then pairs are verified, which takes longer the more there are.
"""

from __future__ import annotations

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags, define_output
from data_prep.stage.settings import require_suffix
from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import GROUP_FILES
from delg.settings.photos import GroupConfig, photo_extraction
from delg.settings.search import SearchConfig

_OUTPUT = define_output("output", f"File to write the groups to: {', '.join(GROUP_FILES)}.")
_config = define_flags(GroupConfig)
_extract_config = define_flags(ExtractConfig, ("max_image_size", "max_num_features", "score_threshold"),
                               max_image_size=photo_extraction().max_image_size)


def main(_: list[str]) -> None:
    config, output = _config(), _OUTPUT.value
    suffix = require_suffix("output", output, GROUP_FILES)
    extraction = _extract_config(**vars(photo_extraction()))
    from delg.geometry import verdict
    from delg.photos import collection, groups  # after the settings: TensorFlow is slow

    if config.verdict:
        verdict.load_verdict(config.verdict)  # before the work
    with collection.opened(config.images_dir, config.found_dir, config.saved_model, extraction) as photos:
        found = groups.group_images(photos, SearchConfig(num_neighbors=config.num_neighbors), config.verdict)
        GROUP_FILES[suffix](output, found)
    together = [len(group.images) for group in found if len(group.images) > 1]
    command_line.finish(f"{len(together)} group{'s' * (len(together) != 1)} of {sum(together)} photographs, "
                        f"{len(found) - len(together)} alone, in {output}.")


if __name__ == "__main__":
    command_line.run(main)
