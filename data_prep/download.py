"""Downloads a public set: resumable, in parallel, checked against the published checksums.

    python -m data_prep.download --dataset=cub --output_dir=data/cub
    python -m data_prep.download --dataset=roxford --output_dir=data/roxford
    python -m data_prep.download --dataset=gldv2_train --output_dir=data/gldv2 --parts=0-9
    python -m data_prep.download --dataset=gldv2_train --output_dir=data/gldv2 --dry_run

Run it again after an interruption: finished files stay, a file that was cut goes on where it stopped. The
archives are unpacked, except those of GLDv2, unless you say --unpack: shards are built straight out of them
(data_prep.build_tfrecords --from_tars=...), which saves the disk a second copy. At the end it prints the
command to go on with. The 500 archives of gldv2_train are about 500 GB: at 100 MB/s an hour and a half.
"""

from __future__ import annotations

import os

from absl import flags

from data_prep.downloads import downloading
from data_prep.downloads.downloading import DownloadConfig
from data_prep.downloads.public_sets import PUBLIC_SETS, choose_parts, next_command
from data_prep.sources.public_set import PublicFile
from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags

_DATASET = flags.DEFINE_enum("dataset", None, list(PUBLIC_SETS), "What to download.", required=True)
_PARTS = flags.DEFINE_string("parts", "",
                             "Of a set published in parts, those to fetch, such as 0-9,20; empty: all.")
_UNPACK = flags.DEFINE_bool("unpack", None, "Unpack the archives; by default all but those of GLDv2.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Only list what would be fetched.")
_config = define_flags(DownloadConfig, ("output_dir", "num_connections", "base_url", "verify", "max_file_gb"))


def main(_: list[str]) -> None:
    public_set = PUBLIC_SETS[_DATASET.value]
    files = choose_parts(public_set.files, _PARTS.value)
    config = _config()
    unpack = public_set.unpack if _UNPACK.value is None else _UNPACK.value
    missing = downloading.list_missing(files, config)
    if _DRY_RUN.value:
        for file in missing:
            print(f"{config.url(file, file.path)}  {_size(file)}")
        print(f"{len(missing)} of {len(files)} files to fetch, {_total(missing)}")
        return
    downloading.download(files, config, public_set.unpack_dir if unpack else "", public_set.flat)
    print(f"{len(files)} files in {config.output_dir}: {len(missing)} fetched or read, "
          f"{len(files) - len(missing)} there before")
    if unpack:
        print(f"unpacked: {os.path.join(config.output_dir, public_set.unpack_dir)}")
    command_line.finish(f"terms of use: {public_set.homepage}",
                        next_command(_DATASET.value, config.output_dir, unpack))


def _size(file: PublicFile) -> str:
    if file.size is None:
        return "size unknown" if file.about is None else f"about {file.about / 1e9:.2f} GB"
    return f"{file.size / 1e9:.2f} GB"


def _total(files: list[PublicFile]) -> str:
    sizes = [file.size or file.about for file in files]
    unknown = sizes.count(None)
    return (f"about {sum(size or 0 for size in sizes) / 1e9:.1f} GB"
            + (f" and {unknown} files of unknown size" if unknown else ""))


if __name__ == "__main__":
    command_line.run(main)
