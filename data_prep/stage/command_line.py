"""How every script starts, and how it fails: one line on stderr and a non-zero exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from absl import app, flags

INTERRUPTED = 130  # exit status of a process ended by Ctrl-C: 128 + SIGINT

_DEBUG = flags.DEFINE_bool("debug", False, "On an error, show the traceback instead of one line.")


def run(main: Callable[[list[str]], None], positional: Sequence[str] = ()) -> None:
    """Parses the flags, calls `main(argv)` and exits.

    A script takes as many arguments without a `--name` as `positional` has names for them, which the error
    message shows; they are `argv[1:]`.

    The errors a user can cause (ValueError, OSError, lack of memory, a failed TensorFlow operation)
    and Ctrl-C become one line on stderr; `--debug` lets them through with their traceback. Any other
    exception is a fault of ours and keeps its traceback.
    """
    def guarded(argv: list[str]) -> None:
        try:
            if len(argv) - 1 != len(positional):
                needed = f"Give {' '.join(positional)}; other settings" if positional else "Settings"
                raise ValueError(f"{needed} are given as --name=value. "
                                 f"Received: {' '.join(map(repr, argv[1:])) or 'nothing'}.")
            main(argv)
        except KeyboardInterrupt:
            if _DEBUG.value:
                raise
            _leave("Interrupted; what was finished is kept, and the same command goes on from there.",
                   INTERRUPTED)
        except Exception as error:
            if _DEBUG.value or not isinstance(error, _user_errors()):
                raise
            _leave(f"Error: {one_line(error)}", 1)

    app.run(guarded)


def one_line(error: BaseException) -> str:
    """The message of an error with its line breaks taken out; its type's name where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def _user_errors() -> tuple[type[BaseException], ...]:
    errors: tuple[type[BaseException], ...] = (ValueError, OSError, MemoryError)
    tensorflow = sys.modules.get("tensorflow")  # never imported for this: it takes seconds
    return errors if tensorflow is None else (*errors, tensorflow.errors.OpError)


def _leave(message: str, status: int) -> None:
    print(message, file=sys.stderr, flush=True)
    sys.exit(status)
