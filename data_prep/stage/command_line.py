"""How every script starts, and how it fails: one line on stderr and a non-zero exit."""

from __future__ import annotations

import gc
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags

from data_prep.stage import allocator, ending

INTERRUPTED = 130  # exit status of a process ended by Ctrl-C: 128 + SIGINT
_PIPE_CLOSED = 141  # of one whose reader left, as `head` does: 128 + SIGPIPE
_GOES_ON = "what was finished is kept, and the same command goes on from there."
_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # chosen: TensorFlow makes 300,000 as it starts, and all stay
_HELP = {"-h", "--help", "-help"}

_DEBUG = flags.DEFINE_bool("debug", False, "On an error, show the traceback instead of one line.")


def run(main: Callable[[list[str]], None], positional: Sequence[str] = ()) -> None:
    """Parses the flags, calls `main(argv)` and exits.

    `-h` and `--help` print the docstring of the script and its flags. Where the reader of stdout leaves
    early, as `head` does, the script ends without a word.

    A script takes as many arguments without a `--name` as `positional` has names for them, which the error
    message shows; they are `argv[1:]`.

    The errors a user can cause (ValueError, OSError, lack of memory, a failed TensorFlow operation),
    Ctrl-C and SIGTERM become one line on stderr; `--debug` lets them through with their traceback. Any
    other exception is a fault of ours and keeps its traceback. The status is 1, that of Ctrl-C 130, that of
    SIGTERM 143, within ten seconds of the signal; 75, within thirty, where the script saves its work first.
    """
    def guarded(argv: list[str]) -> None:
        try:
            if len(argv) - 1 != len(positional):
                needed = f"Give {' '.join(positional)}; other settings" if positional else "Settings"
                raise ValueError(f"{needed} are given as --name=value. "
                                 f"Received: {' '.join(map(repr, argv[1:])) or 'nothing'}.")
            main(argv)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            if _DEBUG.value:
                traceback.print_exc()
            how, status = ((one_line(error), ending.RUN_AGAIN) if isinstance(error, ending.RunAgain) else
                           ("Ended by SIGTERM", ending.STATUS) if isinstance(error, ending.Terminated) else
                           ("Interrupted", INTERRUPTED))
            print(f"{how}; {_GOES_ON}", file=sys.stderr, flush=True)
            os._exit(status)  # what libraries do as a process ends can wait for workers and other machines
        except Exception as error:
            if isinstance(error, BrokenPipeError) and _is_stdout_closed():
                _leave_quietly()
            if _DEBUG.value or not isinstance(error, _user_errors()):
                raise
            _leave(f"Error: {one_line(error)}", 1)

    if _HELP & set(sys.argv[1:]):
        _print_help()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    allocator.keep_freed_memory()
    with ending.by_sigterm():
        app.run(guarded, flags_parser=_parse)


def finish(written: str, next_step: str = "") -> None:
    """Says at the end of a script what it has written, and what one does next with it."""
    if written:
        print(written)
    if next_step:
        print(f"next: {next_step}")


def _parse(argv: list[str]) -> list[str]:
    """What is left of a command line without its flags; a flag that cannot be is one line too."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _leave(f"Error: {one_line(error).rstrip('.')}; --help lists what there is.", 1)
        raise


def _print_help() -> None:
    try:
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_quietly()
    sys.exit(0)


def _is_stdout_closed() -> bool:
    """Whether nobody reads stdout any more, rather than another pipe or connection."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in watch.poll(0))


def _leave_quietly() -> None:
    with open(os.devnull, "w") as nowhere:  # else Python tries once more to write, and tells of it
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    sys.exit(_PIPE_CLOSED)


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
