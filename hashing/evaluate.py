"""Score binary codes: how well the codes of queries find index images of their class.

    python -m hashing.evaluate --query_codes='CODES/test-*' --index_codes='CODES/train-*' \\
        --output=metrics.json --report_dir=report

Prints and writes mAP over the whole ranking (expected value over ties), mAP@k, precision within two bits, how
the bits are used, and cosine retrieval by the same codes before they became bits. `--report_dir` adds the
curves as PNG and one HTML page, which shows failures and successes in pictures where `--images` names the
shards. Seconds for a set like CUB-200-2011.
"""

from __future__ import annotations

from absl import flags, logging

from data_prep.stage import command_line, config_flags, files
from data_prep.stage.settings import require

_QUERY_CODES = flags.DEFINE_string("query_codes", None, "Folder or glob of the queries' code shards.",
                                   required=True)
_INDEX_CODES = flags.DEFINE_string("index_codes", None, "Folder or glob of the index's code shards.",
                                   required=True)
_OUTPUT = config_flags.define_output("output", "The metrics to write, JSON.")
_REPORT_DIR = config_flags.define_output(
    "report_dir", "Folder of the report; empty: none.", required=False, folder=True)
_IMAGES = flags.DEFINE_string(
    "images", "", "Glob of the TFRecord shards of all images, for failures and successes in pictures on the "
    "page; empty: none.")
_NAME = flags.DEFINE_string("name", "codes", "What the report calls the method.")
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", 0, "Classes trained on, the labels below it; others are scored apart, as unseen. 0: all "
    "are one.", lower_bound=0)
_NUM_BITS = flags.DEFINE_integer(
    "num_bits", 0, "First bits of the codes, of a length that their model was trained at; 0: all.",
    lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the intervals.", lower_bound=0)


def main(_: list[str]) -> None:
    from hashing.codes import code_shards  # after the flags: these load libraries of pictures
    from hashing.scores import evaluation, overlap, pictures, report

    require(bool(_REPORT_DIR.value) or not _IMAGES.value, "`images` goes with `report_dir`.",
            images=_IMAGES.value)
    queries, index = (code_shards.read_codes(flag.value).cut(_NUM_BITS.value)
                      for flag in (_QUERY_CODES, _INDEX_CODES))
    drawn = pictures.draw_queries(queries, index, _IMAGES.value, _NUM_CLASSES.value) if _IMAGES.value else []
    warnings = overlap.overlap_warnings(
        code_shards.datasets_of(_QUERY_CODES.value) | code_shards.datasets_of(_INDEX_CODES.value))
    result = evaluation.evaluate(queries, index, _NUM_CLASSES.value, _SEED.value) | {"warnings": warnings}
    files.write_json(_OUTPUT.value, result)
    report.print_table({_NAME.value: {index.code_size: result}})
    for warning in warnings:
        logging.warning("%s", warning)
    page = (report.make_report({_NAME.value: {index.code_size: result}}, _REPORT_DIR.value, drawn=drawn,
                               warnings=warnings)
            if _REPORT_DIR.value else "")
    command_line.finish(f"All scores in {_OUTPUT.value}.", f"open {page} in a browser" if page else "")


if __name__ == "__main__":
    command_line.run(main)
