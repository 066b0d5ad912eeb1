"""HTML report on day and night: scores, tested claims and pictures of an experiment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from data_prep.stage.settings import require
from delg.pictures import charts
from delg.pictures import page as pictures_page
from delg.pictures.downloads import json_file
from delg.pictures.drawing import jpeg_data_uri
from delg.scores.percent import text
from vae.data.photographs import Photographs, read_photographs, resized
from vae.latents.latents import LatentEncoder
from vae.networks.model_dir import load_vae
from vae.report import drawings
from vae.report.backprojection import backproject
from vae.report.config import VisualizeConfig
from vae.scores.config import MethodsConfig
from vae.scores.evaluation import CLAHE_SUFFIX, DIRECTIONS
from vae.scores.methods import LatentDescriber, build_methods
from vae.weighting.weight_files import read_channel_weights

_NUM_CHANNELS = 3  # the heaviest, where none are named
_SHOWN_METHODS = ("adversarial_weighted", "raw_pixels")
_NAMES = {"raw_pixels": "Raw pixels", "imagenet": "ImageNet features", "delg": "DELG global head",
          "untrained_stem": "Pretrained stem, untrained",
          "whitened_stem": "Pretrained stem, untrained, whitened", "paper": "VAE, paper preset",
          "adversarial": "VAE, mended", "adversarial_weighted": "VAE, mended, channels weighted"}


def make_report(config: VisualizeConfig) -> str:
    """Writes `<output_dir>/index.html`, a page that needs no other file, and returns its path.

    Raises:
        FileNotFoundError: the experiment lacks a file.
        ValueError: images, channels or the layer asked for are not there.
    """
    with open(config.path("metrics.json"), encoding="utf-8") as file:
        result = json.load(file)
    photographs = read_photographs(config.path("shards", "test-*"), config.image_size)
    encoders = {preset: LatentEncoder(config.path(preset)) for preset in ("paper", "adversarial")}
    weights_path = config.path("weights", "adversarial_1", "channel_weights.json")
    weights = list(read_channel_weights(weights_path).values())[-1]
    page = pictures_page.render(
        "vae.report", "report.html.j2", title=result["config"]["title"], summary=_summary(result),
        tiles=_tiles(result), rows=_rows(result), result=result, directions=DIRECTIONS, names=_NAMES,
        text=text, grids=_grids(encoders, photographs, config.num_images),
        channel_maps=_channel_maps(config, weights),
        backprojections=_backprojections(config, photographs, weights),
        curves=_curves(config, result["config"]["layer_counts"]),
        neighbours=_neighbours(config, encoders["adversarial"], weights, photographs),
        settings=_settings(result["config"]), downloads=[json_file("metrics.json", result)])
    return pictures_page.write_page(config.output_dir, page)


def _summary(result: Mapping[str, Any]) -> str:
    scores = {name: found for name, found in result["night_to_day"].items()
              if not name.endswith(CLAHE_SUFFIX)}
    best = max(scores, key=lambda name: scores[name]["R@1"] or 0)
    ours = scores.get("adversarial_weighted", scores["adversarial"])
    return (f"Of {result['num_night']} night photographs of {result['num_places']} places that no training "
            f"saw, the mended VAE finds the place by day at once for {ours['R@1']:.1f} %, raw pixels for "
            f"{scores['raw_pixels']['R@1']:.1f} %; best is {_NAMES[best]} with {scores[best]['R@1']:.1f} %. "
            f"Chance is {result['chance']:.1f} %.")


def _tiles(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"{_NAMES[name]}: night to day R@1", "value": scores["R@1"],
              "note": f"domain probe {text(result['domain_probe'][name])} %"}
            for name, scores in result["night_to_day"].items() if not name.endswith(CLAHE_SUFFIX)]


def _rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for method in result["night_to_day"]:
        plain = method.removesuffix(CLAHE_SUFFIX)
        rows.append({"name": _NAMES.get(plain, plain) + (", CLAHE" if plain != method else ""),
                     "key": method, "is_ours": method.startswith("adversarial")})
    return rows


def _grids(encoders: Mapping[str, LatentEncoder], photographs: Photographs,
           count: int) -> list[dict[str, Any]]:
    found = []
    for preset, encoder in encoders.items():
        for domain in ("day", "night"):
            rows = drawings.choose_rows(photographs, domain, count)
            picture, columns = drawings.translation_grid(encoder, photographs, domain, rows)
            found.append({"preset": _NAMES[preset], "domain": domain, "columns": columns,
                          "picture": jpeg_data_uri(picture, 85)})
    return found


def _channel_maps(config: VisualizeConfig, weights: np.ndarray) -> list[dict[str, Any]]:
    paper = list(read_channel_weights(config.path("weights", "paper_1", "channel_weights.json")).values())[-1]
    return [{"name": name, "picture": jpeg_data_uri(drawings.channel_map(values), 95),
             "count": len(values), "largest": float(values.max()), "above": int((values > 2).sum())}
            for name, values in (("VAE, mended; pooled distance", weights),
                                 ("VAE, paper preset; the original's distance", paper))]


def _backprojections(config: VisualizeConfig, photographs: Photographs,
                     weights: np.ndarray) -> list[dict[str, Any]]:
    model, stored = load_vae(config.path("adversarial"))
    channels = ([int(part) for part in config.channels.split(",")] if config.channels
                else np.argsort(-weights)[:_NUM_CHANNELS].tolist())
    found = []
    for domain in ("day", "night"):
        rows = _chosen(config, photographs, domain)
        if not len(rows):
            continue
        images = resized(photographs.images[rows], stored["model"]["image_size"])
        heats = [backproject(model, images, domain, config.layer, channel) for channel in channels]
        found.append({"domain": domain, "channels": channels, "layer": config.layer,
                      "picture": jpeg_data_uri(drawings.heat_grid(images, heats), 85)})
    return found


def _chosen(config: VisualizeConfig, photographs: Photographs, domain: str) -> np.ndarray:
    if not config.images:
        return drawings.choose_rows(photographs, domain, config.num_images)
    wanted = [part.strip() for part in config.images.split(",")]
    row_of = {name: row for row, name in enumerate(photographs.ids)}
    missing = [name for name in wanted if name not in row_of]
    require(not missing, "`images` must be ids of reported images, such as "
            f"{photographs.ids[0]!r}.", images=",".join(missing))
    rows = set(photographs.rows(domain).tolist())
    return np.array([row_of[name] for name in wanted if row_of[name] in rows], np.int64)


def _curves(config: VisualizeConfig, layer_counts: list[int]) -> str:
    lines = []
    for count in layer_counts:
        history = pd.read_csv(config.path("weights", f"paper_{count}", "history.csv"))
        lines.append(charts.Line(f"{count} layers" if count > 1 else "1 layer",
                                 history["epoch"].to_numpy() + 1, history["val_loss"].to_numpy()))
    return charts.panels_svg("layers", {"": lines}, "Epoch", "Triplet loss on reported places")


def _neighbours(config: VisualizeConfig, encoder: LatentEncoder, weights: np.ndarray,
                photographs: Photographs) -> list[dict[str, Any]]:
    methods, _ = build_methods(MethodsConfig())
    methods["adversarial_weighted"] = LatentDescriber(encoder, weights)
    rows = drawings.choose_rows(photographs, "night", config.num_images)
    return [_failures_first(name, drawings.neighbours(methods[name], photographs, rows, "night",
                                                      config.num_hits)) for name in _SHOWN_METHODS]


def _failures_first(method: str, queries: list[dict[str, Any]]) -> dict[str, Any]:
    """Queries of a method, those whose first hit shows another place before the others."""
    found = [query for query in queries if query["hits"] and query["hits"][0]["right"]]
    failed = [query for query in queries if not (query["hits"] and query["hits"][0]["right"])]
    return {"name": _NAMES[method], "num_found": len(found), "queries": failed + found}


def _settings(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    plain = {key: value for key, value in config.items() if not isinstance(value, dict)}
    groups = {"Experiment": plain, **{key: value for key, value in config.items() if isinstance(value, dict)}}
    return [{"name": name.capitalize(), "rows": [(key, value) for key, value in held.items()
                                                 if value not in ("", None)]}
            for name, held in groups.items()]
