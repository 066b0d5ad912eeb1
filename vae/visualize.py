"""Make a page that shows what an experiment on day and night came to: one HTML file.

    python -m vae.visualize --experiment_dir=build/vae --output_dir=build/vae/report
    python -m vae.visualize --experiment_dir=build/vae --output_dir=channels --channels=3,17 --images=ID,ID

Scores, tested claims, grids of translations, neighbours across the domains, the map of channel weights, the
pixels that move channels, loss by number of layers. The second command projects the channels of your choice
back to images of your choice. Less than a minute.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from vae.report.page import VisualizeConfig, make_report

_config = config_flags.define_flags(VisualizeConfig)


def main(_: list[str]) -> None:
    print(f"Open {make_report(_config())} in a browser.")


if __name__ == "__main__":
    command_line.run(main)
