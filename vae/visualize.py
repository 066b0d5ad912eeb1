"""Make a page that shows what an experiment on day and night came to: one HTML file.

    python -m vae.visualize --experiment_dir=build/vae --output_dir=build/vae/report
    python -m vae.visualize --experiment_dir=build/vae --output_dir=channels --channels=3,17 --images=ID,ID

Scores, tested claims, grids of translations, neighbours across the domains, the map of channel weights, the
pixels that move channels, loss by number of layers. The second command projects the channels of your choice
back to images of your choice. Less than a minute.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from vae.report.config import VisualizeConfig

_config = config_flags.define_flags(VisualizeConfig)


def main(_: list[str]) -> None:
    config = _config()
    from vae.report import page  # after the settings: TensorFlow takes seconds to load

    path = page.make_report(config)
    command_line.finish(f"The page is {path}.", "open it in a browser")


if __name__ == "__main__":
    command_line.run(main)
