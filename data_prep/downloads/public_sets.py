"""The public sets that can be downloaded: what the record of each kind of set says is published of it."""

from __future__ import annotations

from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import SOURCES

PUBLIC_SETS: dict[str, PublicSet] = {name: public_set for source in SOURCES.values()
                                     for name, public_set in source.public_sets.items()}


def choose_parts(files: tuple[PublicFile, ...], parts: str) -> tuple[PublicFile, ...]:
    """The files whose part is among `parts`, such as 0-9,20, and those that are no parts; empty: all.

    Raises:
        ValueError: if `parts` is not of that form, names a part that does not exist, or the set has none.
    """
    if not parts:
        return files
    numbers = {file.part for file in files if file.part is not None}
    if not numbers:
        raise ValueError(f"`parts` needs a set that is published in parts. Received: parts={parts}.")
    chosen: set[int] = set()
    for piece in parts.split(","):
        first, dash, last = piece.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise ValueError(f"`parts` must be numbers and ranges such as 0-9,20. Received: parts={parts}.")
        low, high = int(first), int(last if dash else first)
        if low > high or low not in numbers or high not in numbers:
            raise ValueError(f"`parts` must lie between {min(numbers)} and {max(numbers)}, lower end first. "
                             f"Received: parts={parts}.")
        chosen.update(range(low, high + 1))
    return tuple(file for file in files if file.part is None or file.part in chosen)


def next_command(name: str, output_dir: str, unpacked: bool) -> str:
    """The command that the user of a set wants after its download."""
    public_set = PUBLIC_SETS[name]
    if public_set.unpack_dir and not (unpacked or public_set.archives):
        return f"python -m data_prep.download --dataset={name} --output_dir={output_dir} --unpack"
    images = public_set.unpacked_images if unpacked else public_set.archives
    return public_set.next_command.replace("{images}", images).replace("{dir}", output_dir)
