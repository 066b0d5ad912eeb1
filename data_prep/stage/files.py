"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives a temporary path in the folder of `path`; renames it to `path` when the block ends well.

    After an error or Ctrl-C in the block the temporary file is gone and `path` is as it was. The temporary
    name starts with a dot, so no shard pattern matches it.
    """
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def write_json(path: str, value: Any) -> None:
    """Writes `value` as JSON, one key of the outermost object a line, whole or not at all.

    File names that are not UTF-8 keep the escapes by which Python knows them, in a form that JSON reads back.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8",
                                            errors="backslashreplace") as file:
        if isinstance(value, dict):
            lines = (f"{json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
                     for key, entry in value.items())
            file.write("{\n" + ",\n".join(lines) + "\n}\n")
        else:
            json.dump(value, file, ensure_ascii=False)
