"""What is to be said beside figures on images that networks may have been pretrained on."""

from __future__ import annotations

from collections.abc import Iterable

from data_prep.sources.source import SOURCES


def overlap_warnings(datasets: Iterable[str]) -> list[str]:
    """A sentence for each set of images that also belong to one that backbones are pretrained on.

    Args:
        datasets: names of sets as dataset.json has them; others than those of SOURCES say nothing.
    """
    return [f"The images of {name} are {SOURCES[name].pretraining_set}'s: a backbone that starts from its "
            "weights may have learnt these very queries and their classes, so figures on them are too good."
            for name in sorted(set(datasets)) if name in SOURCES and SOURCES[name].pretraining_set]
