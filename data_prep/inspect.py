"""Shows what is in a dataset: numbers of each split and class, and a contact sheet of its images.

    python -m data_prep.inspect --dataset_dir=build/train --output=sheet.png

Prints tables; the sheet has rows of one class each, so that wrong labels catch the eye, and queries with
their box beside images they should find. Images that are not shown are not read: a million records take
about a minute from a local disk.
"""

from __future__ import annotations

from absl import flags
from rich import console

from data_prep.records.manifest import load_manifest
from data_prep.stage import command_line, config_flags

_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "Folder of shards and dataset.json.", required=True)
_SPLIT = flags.DEFINE_list("split", [], "Splits to look at, separated by commas; by default all.")
_OUTPUT = config_flags.define_output("output", "PNG file of the contact sheet; empty: none.", required=False)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 40, "Images of each split on the contact sheet.",
                                   lower_bound=1, upper_bound=1000)
_NUM_CLASSES = flags.DEFINE_integer("num_classes", 5, "Largest and smallest classes to list.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the choice of images.", lower_bound=0)
_WIDTH = 120  # characters, where there is no terminal


def main(_: list[str]) -> None:
    manifest = load_manifest(_DATASET_DIR.value)
    from data_prep.checking import inspection, inspection_views  # after an early error: TensorFlow is slow
    from data_prep.images import contact_sheet

    with console.Console(stderr=True).status("Reading the records' fields"):
        tables = [inspection.read_split(manifest, name) for name in _SPLIT.value or manifest.splits]
    screen = console.Console(highlight=False)
    if not screen.is_terminal:
        screen = console.Console(highlight=False, width=_WIDTH)
    screen.print(f"{manifest.path}: dataset={manifest.dataset}, seed={manifest.seed}, "
                 f"{manifest.num_classes:,} classes to train on\n", markup=False)
    summaries = {table.name: inspection.summarise_split(manifest, table) for table in tables}
    for table in (inspection_views.summary_table(summaries),
                  inspection_views.classes_table(manifest, tables, _NUM_CLASSES.value),
                  inspection_views.sources_table(manifest), inspection_views.left_out_table(manifest)):
        if table is not None:
            screen.print(table)
    if manifest.unlisted.get("count"):
        screen.print(f"{manifest.unlisted['count']:,} more images lay there, but in no table, such as "
                     f"{manifest.unlisted['examples'][0]}\n", markup=False)
    if _OUTPUT.value:
        sections = inspection_views.make_sections(manifest, tables, _NUM_IMAGES.value, _SEED.value)
        width, height = contact_sheet.draw(_OUTPUT.value, sections)
        command_line.finish(f"Contact sheet of {width} x {height} pixels: {_OUTPUT.value}",
                            f"look at {_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
