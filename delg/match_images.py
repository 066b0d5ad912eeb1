"""Compare two photos: count the local features that agree and draw them.

    python -m delg.match_images A.jpg B.jpg --saved_model=build/demo/saved_model --output=matches.png

Prints the matches, the inliers and the similarity of the global descriptors, and writes the two photos side
by side with a line per inlier. Loading the model takes seconds, and so does each photo of 1024 pixels.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags, define_output
from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import VERIFIERS
from delg.settings.search import SearchConfig

_CHANCE_INLIERS = 12  # photos of different scenes seldom have more, at 20 pixels
_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by delg.export_model.", required=True)
_OUTPUT = define_output("output", "The picture to write, .png or .jpg.")
_VERIFIER = flags.DEFINE_enum(
    "verifier", SearchConfig.verifier, list(VERIFIERS), "How the transform is found.")
_extract_config = define_flags(ExtractConfig, ("max_image_size", "max_num_features", "score_threshold"))
_search_config = define_flags(SearchConfig, ("matcher", "transform", "inlier_threshold"))


def main(argv: list[str]) -> None:
    extraction = _extract_config(precision="float32")  # two photos are done before bfloat16 is ready
    config = _search_config(verifier=_VERIFIER.value)
    from data_prep.images import intake
    from delg.features import describing
    from delg.search import two_images  # after the settings: TensorFlow takes seconds to load

    two_images.check_picture_path(_OUTPUT.value)
    first, second = (intake.read_image(path).encoded for path in argv[1:])
    describer = describing.ImageDescriber(_SAVED_MODEL.value, extraction)
    match = two_images.match_images(describer, first, second, config)
    two_images.write_picture(_OUTPUT.value, two_images.draw_match(first, second, match))
    command_line.finish(
        f"{match.num_inliers} inliers, {match.num_matches} matches of {match.num_features[0]} and "
        f"{match.num_features[1]} local features, similarity {match.similarity:.3f}; drawn in "
        f"{_OUTPUT.value}.", f"look at {_OUTPUT.value}")
    if match.num_inliers <= _CHANCE_INLIERS:
        print(f"Up to {_CHANCE_INLIERS} inliers come by chance: these need not show the same place.")


if __name__ == "__main__":
    command_line.run(main, positional=("FIRST_IMAGE", "SECOND_IMAGE"))
