"""Who may enter an index: images of one model and setting, each once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from data_prep.stage.repeats import first_repeated
from delg.features.reader import FeatureReader, find_feature_shards
from delg.features.shards import differing_settings


class Admission:
    """Ids that an index holds, and what all of its features share.

    Args:
        ids: of the images that are in the index.
        facts: what their features share; None: what the first that come have.

    Attributes:
        ids: those and the admitted ones, in order.
        facts: by name.
    """

    def __init__(self, ids: Iterable[str] = (), facts: dict[str, Any] | None = None):
        self.ids, self.facts = list(ids), dict(facts or {})
        self._known = set(self.ids)

    def admit(self, ids: Sequence[str], **found: Any) -> None:
        """Appends images whose features have these facts.

        Raises:
            ValueError: if an id is there already, or a fact differs.
        """
        if not ids:
            return
        for name, value in found.items():
            before = self.facts.setdefault(name, value)
            if differing_settings(before, value) if isinstance(value, dict) else before != value:
                raise ValueError(f"Features must have the {name} of the others in the index. Received: "
                                 f"{value!r} from image {ids[0]!r} on, {self.facts[name]!r} before.")
        twice = first_repeated(ids, self._known)
        if twice is not None:
            raise ValueError(f"Image ids must be unique in an index. Received: {twice!r} more than once.")
        self._known.update(ids)
        self.ids.extend(ids)


def settings_without(features: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Settings of an extraction but for some of them, in the form JSON gives back."""
    return json.loads(json.dumps({name: value for name, value in features.items() if name not in names}))


def each_shard(features: str) -> Iterator[FeatureReader]:
    """The feature shards of a folder or glob, one open at a time. Raises as `find_feature_shards`."""
    for path in find_feature_shards(features):
        with FeatureReader(path) as images:
            yield images
