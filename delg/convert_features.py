"""Carry features between our shards and the files of others.

    python -m delg.convert_features --input='features/*.h5' --format=hloc --output=features.h5 \\
        --pairs=pairs.txt --matches=matches.h5
    python -m delg.convert_features --input='features/*.h5' --format=colmap --output=database.db \\
        --pairs=pairs.txt --name_suffix=.jpg
    python -m delg.convert_features --input_format=delg --input=delg_features --format=shards \\
        --output=features/index-00000-of-00001.h5
    python -m delg.convert_features --input='features/index-*.h5' --query_input='features/query-*.h5' \\
        --format=mat --ground_truth=gnd_roxford5k.pkl --output=features.mat
    python -m delg.convert_features --input='features/*.h5' --local_features=aliked.h5 --fingerprint=aliked \\
        --name_suffix=.jpg --format=shards --output=mixed

The last keeps our global descriptors and takes local features, image by image, from a file of hloc.
hloc and COLMAP read a photograph as it is stored, whatever its EXIF data say, so that is what keypoints and
sizes are written of, whether its shard was built upright or with --noupright.
Formats: shards, delg (.delg_global, .delg_local), delf, hloc, mat (of ROxf/RPar), and colmap to write. From
`mat`, `--output` is the folder of the shards. A thousand images of 1000 features take seconds to minutes.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.exchange import FOLDER_FORMATS, FORMATS, INPUT_FORMATS
from delg.settings.extraction import LOCAL_DTYPES

_INPUT = flags.DEFINE_string("input", None, "File, folder, or glob of shards.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File or folder to write.", required=True)
_FORMAT = flags.DEFINE_enum("format", None, FORMATS, "Format to write.", required=True)
_INPUT_FORMAT = flags.DEFINE_enum("input_format", "shards", INPUT_FORMATS, "Format to read.")
_NAME_SUFFIX = flags.DEFINE_string("name_suffix", "", "Put after each id that has no suffix of an image, "
                                   "such as .jpg: hloc and COLMAP name images by their files. To write "
                                   "shards it is taken off.")
_PAIRS = flags.DEFINE_string("pairs", None, "Lines of two ids; with colmap and hloc: pairs to match.")
_MATCHES = config_flags.define_output(
    "matches", "With hloc and --pairs: the file of matches to write.", required=False)
_QUERY_INPUT = flags.DEFINE_string("query_input", None, "To write mat: glob of the queries' shards.")
_GROUND_TRUTH = flags.DEFINE_string("ground_truth", None, "With mat: the file that names images in order. "
                                    "With --local_features: queries lose what lies outside of their boxes.")
_LOCAL_FEATURES = flags.DEFINE_string(
    "local_features", None, "From shards to shards: hloc file whose local features take the place of ours.")
_MAX_NUM_FEATURES = flags.DEFINE_integer(
    "max_num_features", 0, "Of --local_features: kept per image, those of best score; 0: all.", lower_bound=0)
_LOCAL_DTYPE = flags.DEFINE_enum("local_dtype", "float16", LOCAL_DTYPES, "In shards; floats alone in hloc.")
_FINGERPRINT = flags.DEFINE_string("fingerprint", "converted", "Of the model, for shards: what one model "
                                   "made has one fingerprint; others are not searched together. Of "
                                   "--local_features: put after that of the shards.")


def _check() -> None:
    source, target = _INPUT_FORMAT.value, _FORMAT.value
    mixed = bool(_LOCAL_FEATURES.value)
    folder = target in FOLDER_FORMATS or source == "mat" or mixed
    wrong = config_flags.why_not_written(_OUTPUT.value, folder)
    for holds, rule in (
            (not wrong, f"A {'folder' if folder else 'file'} must be possible at --output={_OUTPUT.value}, "
             f"{wrong}"),
            (source == target == "shards" if mixed else "shards" in (source, target) and source != target,
             "From or to shards, not both, but with --local_features both"),
            (mixed or bool(_GROUND_TRUTH.value) == ("mat" in (source, target)),
             "--ground_truth goes with mat or --local_features"),
            (mixed or not _MAX_NUM_FEATURES.value, "--max_num_features goes with --local_features"),
            (bool(_QUERY_INPUT.value) == (target == "mat"), "--query_input goes with --format=mat"),
            (not _PAIRS.value or target in ("colmap", "hloc"), "--pairs goes with --format=colmap or hloc"),
            (bool(_MATCHES.value) == (target == "hloc" and bool(_PAIRS.value)),
             "--matches goes with --format=hloc and --pairs")):
        if not holds:
            raise ValueError(f"{rule}. Received: --input_format={source} --format={target}.")


def main(_: list[str]) -> None:
    _check()
    from delg.exchange import conversion, hloc, mixing  # after the flags: OpenCV takes its time to load
    from delg.features.reader import FeatureReader

    source, target, output, suffix = _INPUT.value, _FORMAT.value, _OUTPUT.value, _NAME_SUFFIX.value
    named = hloc.read_pairs(_PAIRS.value) if _PAIRS.value else []
    config = {"fingerprint": _FINGERPRINT.value, "converted_from": _INPUT_FORMAT.value}
    rename = conversion.without_suffix if target == "shards" else conversion.with_suffix
    images = rename(conversion.read_images(source, _INPUT_FORMAT.value), suffix)
    if _LOCAL_FEATURES.value:
        count = mixing.mix_local_features(
            source, _LOCAL_FEATURES.value, output, _FINGERPRINT.value, _LOCAL_DTYPE.value, suffix,
            _MAX_NUM_FEATURES.value, _GROUND_TRUTH.value or "")
    elif target == "mat":
        count = conversion.write_mat(output, source, _QUERY_INPUT.value, _GROUND_TRUTH.value)
    elif _INPUT_FORMAT.value == "mat":
        count = conversion.read_mat(source, _GROUND_TRUTH.value, output, config)
    elif target == "colmap":
        with FeatureReader(source) as reader:
            count = conversion.write_colmap(
                output, images, conversion.match_pairs(reader, named, suffix=suffix))
    else:
        count = conversion.write_images(output, target, images, config, _LOCAL_DTYPE.value)
    if _MATCHES.value:
        conversion.write_hloc_matches(_MATCHES.value, source, named, suffix=suffix)
    command_line.finish(f"{count} images and {len(named)} pairs in {output}.",
                        f"python -m delg.build_index --features_dir={output} --index_dir=INDEX"
                        if target == "shards" else f"hand {output} to the system that reads {target}")


if __name__ == "__main__":
    command_line.run(main)
