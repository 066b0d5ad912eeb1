"""Find the photographs of a folder that show what a photograph shows.

    python -m delg.find_images --images_dir=photos --query=photo.jpg --output=found.html

Needs neither shards nor labels. The first call describes the folder, some photographs a second, and keeps the
features and an index in `photos.found`; later calls describe only what is new or changed and take seconds.
Prints for each query the hits with a verdict, same, unsure or only alike, and writes a page, a table (.csv)
or .json. A query is not its own hit. `--box=x1,y1,x2,y2` searches for a part of the query. Without `--query`
every photograph is compared with all others.
"""

from __future__ import annotations

from data_prep.stage import command_line, lazy_module
from data_prep.stage.config_flags import define_flags, define_output
from data_prep.stage.settings import require_suffix
from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import FOUND_FILES
from delg.settings.photos import FindConfig, photo_extraction, photo_search
from delg.settings.places import PlacesConfig
from delg.settings.search import SearchConfig

_TABLES = 10  # printed at most
_OUTPUT = define_output("output", f"File to write what was found to: {', '.join(FOUND_FILES)}.",
                        required=False)
_config = define_flags(FindConfig)
_places_config = define_flags(PlacesConfig)
_extract_config = define_flags(ExtractConfig, ("max_image_size", "max_num_features", "score_threshold"),
                               max_image_size=photo_extraction().max_image_size)
_search_config = define_flags(SearchConfig, ("num_rerank", "min_inliers"),
                              num_rerank=photo_search().num_rerank)


def main(_: list[str]) -> None:
    config, places, output = _config(), _places_config(), _OUTPUT.value
    suffix = require_suffix("output", output, FOUND_FILES) if output else ""
    extraction = _extract_config(**vars(photo_extraction()))
    search = _search_config()
    from delg.geometry import verdict
    from delg.photos import collection, finding, found_files  # after the settings: TensorFlow is slow
    from delg.places import known

    if config.verdict:
        verdict.load_verdict(config.verdict)  # before the work
    if places.places_csv:
        known.read_places(places.places_csv, places.landmarks_csv)  # so
    finding.check_queries(config.query, config.box)
    # Keras loads both where they are, to train on tables and turned images: half a second of every query.
    with lazy_module.absent("pandas", "scipy"), collection.opened(
            config.images_dir, config.found_dir, config.saved_model, extraction) as photos:
        findings = finding.find_images(photos, config.query, config.box, config.num_hits, search,
                                       config.verdict, places)
        if output:
            FOUND_FILES[suffix](output, findings)
    found_files.print_found(findings.found, config.images_dir, _TABLES)
    _print_left_out(photos.folder.left_out)
    asked = "1 query" if len(findings.found) == 1 else f"{len(findings.found)} queries"
    command_line.finish(f"{asked} in {len(photos.folder.path_of)} photographs of "
                        f"{config.images_dir}{', in ' if output else ''}{output}.",
                        f"look at {output}" if output else "")


def _print_left_out(left_out: dict[str, str]) -> None:
    if left_out:
        print(f"Left out {len(left_out)}: " + "; ".join(
            f"{image_id} ({reason})" for image_id, reason in list(left_out.items())[:_TABLES])
            + ("; ..." if len(left_out) > _TABLES else "."))


if __name__ == "__main__":
    command_line.run(main)
