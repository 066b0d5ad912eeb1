"""The commands of a page, run in their order in one folder, on tiny data and with tiny networks.

A page's fenced blocks go through bash, which says what each command comes to; the scripts then run in this
process. What is not as the reader would run it stands in the tables below.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.fixtures import eager, scripts

# Commands that do not run here, and why.
NOT_RUN = {
    r"make test$": "runs this",
    r"make (demo|real|vae-demo|hashing-demo)\b": "minutes; the chains run in tests/*/experiments",
    r"delg\.run_experiment .*--preset=demo": "the same as `make demo`",
    r"hashing\.run_experiment --dataset": "eight trainings; tests/hashing/experiments runs them",
    r"apache_beam\.runners\.worker": "needs a cluster",
    r"--runner=(Flink|Dataflow)Runner": "needs a cluster",
    r"--strategy=multi_worker": "needs several machines; tests/delg/fitting runs several processes",
    r"--uri=http://": "needs a server of Milvus",
    r"delg\.serve ": "serves until it is ended; what asks it is given one that serves",
}

_TINY_DELG = ("--backbone=resnet18 --width=0.125 --backbone_weights=none --embedding_dim=8 "
              "--autoencoder_dim=8 --attention_dim=8 --image_size=32 --batch_size=2 --num_steps=1 "
              "--steps_per_epoch=1 --strategy=one_device --mixed_precision=float32")
# What is said to a script besides, so that it takes a second: a flag given twice counts as said last.
ADDED = {
    "data_prep.download": "--base_url={server}",
    "data_prep.make_day_night_world": "--image_size=48 --num_places=6 --views_per_place=1 --num_workers=1",
    "data_prep.make_world": "--image_size=48 --num_landmarks=1 --views_per_landmark=2 --num_eval_landmarks=1 "
                            "--num_distractors=1 --num_workers=1",
    "delg.train": _TINY_DELG,
    "delg.train_reranker": "--num_features=20 --num_matches=8 --width=8 --batch_size=2 --num_steps=1 "
                           "--steps_per_epoch=1 --warmup_steps=0",
    "delg.export_model": "--backbone=resnet18 --backbone_weights=none --local_dim=8 --photographs=photos",
    "delg.extract_features": "--max_image_size=64 --global_scales=1 --local_scales=1 --max_num_features=40 "
                             "--precision=float32",
    "delg.find_images": "--max_image_size=64 --max_num_features=40",
    "delg.group_images": "--max_image_size=64 --max_num_features=40",
    "delg.search_images": "--num_workers=1",
    "hashing.adapt_codes": "--num_steps=2",
    "hashing.train": "--backbone=resnet18 --backbone_weights=none --width=0.125 --image_size=32 "
                     "--batch_size=4 --images_per_class=2 --head_steps=0 --warmup_steps=0 --num_steps=1 "
                     "--steps_per_epoch=1 --code_size=16 --settle_steps=2",
    "vae.train": "--width=0.03125 --image_size=16 --descriptor_grid=2 --normalization=none "
                 "--up_normalization=batch --batch_size=2 --num_steps=1 --steps_per_epoch=1 --num_pictures=1",
    "vae.train_translator": "--backbone=resnet18 --width=0.125 --backbone_weights=none --image_size=32 "
                            "--crop_size=16 --num_steps=1 --batch_size=2",
    "vae.train_channel_weights": "--num_steps=2 --steps_per_epoch=1 --batch_size=4 --num_validation=4",
    "vae.evaluate": "--image_size=16",
}
_PARTS = re.compile(r"--dataset=(gldv2_(train|index|test)|distractors)$")  # of these sets the first part

_PRELUDE = r"""set -eu
python() { shift; printf '%s\0' "$@" $'\n'; }
make() { printf '%s\0' make "$@" $'\n'; }
code() { printf '%s\0' code "$@" $'\n'; }
"""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Step(NamedTuple):
    """One command of a page, as bash reads it, or one block of Python."""

    program: str  # module after `python -m`, "make", or "code"
    arguments: tuple[str, ...]

    def __str__(self):
        return " ".join((self.program, *self.arguments))


def steps_of(text: str) -> list[Step]:
    """The commands and the code in the fenced blocks of a Markdown page, loops and variables resolved."""
    script = _PRELUDE + "".join(f"code {shlex.quote(block)}\n" if language == "python" else block
                                for language, block in _BLOCK.findall(text)
                               if language in ("", "bash", "python"))  # others are files to be written
    finished = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=20)
    if finished.returncode:
        raise AssertionError(f"Bash does not understand the commands: {finished.stderr}")
    commands = [command.strip("\0").split("\0") for command in finished.stdout.split("\n\0") if command]
    return [Step(program, tuple(arguments)) for program, *arguments in commands]


class Walk:
    """The commands of a page that run here, to be run in their order in the current folder.

    `...` stands for what the command of the same script before it was given.

    Args:
        text: of the page.
        replaced: texts in arguments, and what stands for them here.
        meanwhile: what to do before the first command of a script.

    Attributes:
        steps: of the page, without NOT_RUN.

    Raises:
        AssertionError: if a text to be replaced is not there.
    """

    def __init__(self, text: str, replaced: Mapping[str, str] = {},
                 meanwhile: Mapping[str, Callable[[], None]] = {}):
        absent = [shown for shown in replaced if shown not in text]
        if absent:
            raise AssertionError(f"The page has no {', '.join(map(repr, absent))}.")
        self.steps = [step for step in steps_of(text)
                      if not any(re.search(pattern, str(step)) for pattern in NOT_RUN)]
        self._replaced, self._waiting = replaced, dict(meanwhile)
        self._before: dict[str, list[str]] = {}

    def take(self, step: Step, server: str = "") -> None:
        """Runs one of the steps; published files come from the address `server`.

        Raises:
            AssertionError: if it fails, with what it said.
        """
        self._waiting.pop(step.program, lambda: None)()
        if step.program == "code":
            code = _replace(step.arguments[0], self._replaced)
            exec(compile(code, "the page's code", "exec"), {})
            return
        given = [argument for shown in step.arguments for argument in (
            self._before[step.program] if shown == "..." else [_replace(shown, self._replaced)])]
        self._before[step.program] = given
        added = ADDED.get(step.program, "").format(server=server).split()
        if step.program == "data_prep.download" and any(map(_PARTS.match, given)):
            added.append("--parts=1" if "--dataset=distractors" in given else "--parts=0")
        run = eager.eagerly(scripts.run) if step.program.endswith((".train", "_reranker")) else scripts.run
        finished = run(step.program, *given, *added)
        if finished.returncode:
            raise AssertionError(f"{step}\n{finished.stderr[-3000:]}{finished.stdout[-1000:]}")


def _replace(argument: str, replaced: Mapping[str, str]) -> str:
    for shown, here in replaced.items():
        argument = argument.replace(shown, here)
    return argument
