"""Panels as pictures, by matplotlib: one panel as SVG for the report, a whole dashboard as PNG for the documents."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from .report_data import MOST, Panel, Series, color_at, human, rows

#: Colours that most people with a colour deficiency can tell apart (Okabe and Ito, 2008), then by line style.
LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F", "#B8A900")
STYLES = ("-", "--", ":")
SHADES = {"green": "#2E7D32", "#EAB839": "#B26A00", "red": "#C62828", "blue": "#1F4E79"}
#: Inches of one unit of Grafana's grid (24 across) in a picture of a dashboard.
UNIT_X, UNIT_Y = 0.62, 0.42


def panel_svg(panel: Panel, width: float = 5.6, height: float = 2.9) -> bytes:
    """One graph or bar panel as SVG; the same data give the same bytes."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "groundwork", "font.size": 8}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot(), panel)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    return out.getvalue()


def dashboard_png(model: Mapping[str, Any], panels: Sequence[Panel], path: Path, dpi: int = 90) -> None:
    """A whole dashboard as Grafana would lay it out, with the data of `panels`."""
    by_id = {panel.model["id"]: panel for panel in panels if panel.dashboard == model["uid"]}
    tallest = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in model["panels"])
    width, height = 24 * UNIT_X, (tallest + 2) * UNIT_Y
    with mpl.rc_context({"font.size": 7}):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        figure.text(0.01, 1 - 0.9 * UNIT_Y / height, model["title"], fontsize=14, weight="bold", va="center")
        for one in model["panels"]:
            place = one["gridPos"]
            left, top = place["x"] / 24, 1 - (place["y"] + 2) * UNIT_Y / height
            if one["type"] == "row":
                figure.text(0.01, top - 0.6 * UNIT_Y / height, one["title"], fontsize=10, weight="bold", va="center")
                continue
            tall, wide = place["h"] * UNIT_Y / height, place["w"] / 24
            small = one["type"] == "stat"
            margin_x, margin_y = (0.005, 0.06) if small else (0.042, 0.16)
            # Names of bars stand before them.
            margin_x = 0.11 if one["type"] == "bargauge" else margin_x
            axes = figure.add_axes(
                (
                    left + margin_x,
                    top - tall * (1 - margin_y),
                    wide - margin_x - 0.008,
                    tall * (0.88 if small else 0.68),
                )
            )
            draw(axes, by_id[one["id"]])
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=dpi)
    # A few dozen colours say the same in a quarter of the bytes: the pictures are kept in the repository.
    picture = Image.open(out).convert("RGB")
    picture.quantize(48, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def draw(axes: Axes, panel: Panel) -> None:
    """The panel into these axes."""
    kind = panel.model["type"]
    if kind == "stat":
        _number(axes, panel)
        return
    axes.set_title(panel.title, fontsize=8, loc="left")
    if panel.state != "data":
        words = {
            "elsewhere": f"asked by Grafana ({panel.queries[0].kind})", "none": "no data", "failed": "the query failed",
        }[panel.state]  # fmt: skip
        _blank(axes)
        axes.text(0.5, 0.5, words, ha="center", va="center", color="#666666", transform=axes.transAxes)
    elif kind == "bargauge":
        _bars(axes, panel)
    elif kind == "table":
        _rows(axes, panel)
    else:
        _lines(axes, panel)


def _blank(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("#DDDDDD")


def _shown(series: Series) -> str:
    # A name that begins with an underscore, as Kafka's own topics do, would be left out of the legend.
    return f" {series.name}" if series.name.startswith("_") else series.name


def _lines(axes: Axes, panel: Panel) -> None:
    series = panel.series
    stacked = panel.model["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {}).get("mode") == "normal"
    moments = sorted({at for one in series for at, _ in one.points})
    times = [datetime.fromtimestamp(at, UTC) for at in moments]
    if stacked and len(series) > 1:
        values = [[dict(one.points).get(at, 0.0) for at in moments] for one in series]
        axes.stackplot(times, values, labels=[_shown(one) for one in series], colors=LINES, alpha=0.7)  # type: ignore[arg-type]
    else:
        for index, one in enumerate(series):
            axes.plot(
                [datetime.fromtimestamp(at, UTC) for at, _ in one.points],  # type: ignore[arg-type]
                [value for _, value in one.points],
                label=_shown(one),
                color=LINES[index % len(LINES)],
                linestyle=STYLES[index // len(LINES) % len(STYLES)],
                linewidth=1.1,
                marker="." if len(one.points) == 1 else "",
            )
    bottom, top = axes.get_ylim()
    if panel.model["fieldConfig"]["defaults"].get("min") == 0:
        bottom = min(0.0, bottom)
    # Room for the names above the lines: two a row of the legend.
    room = min(0.08 + 0.065 * math.ceil(len(series) / 2), 0.6)
    axes.set_ylim(bottom, bottom + (top - bottom) / (1 - room))
    # A threshold that the data are far from would only flatten them.
    for start, color in panel.steps[1:]:
        if start <= axes.get_ylim()[1]:
            axes.axhline(start, color=SHADES.get(color, color), linestyle="--", linewidth=0.8, alpha=0.7)
    # With its usual least number of ticks, five, no unit would suit a range of three minutes or three hours.
    locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value, panel.unit)))
    axes.grid(True, color="#DDDDDD", linewidth=0.5)
    axes.margins(x=0)
    if any(one.name for one in series) and (len(series) > 1 or series[0].name != "value"):
        axes.legend(fontsize=6, loc="upper left", ncols=2, framealpha=0.7)


def _bars(axes: Axes, panel: Panel) -> None:
    series = sorted(panel.series, key=lambda one: one.last)
    colors = [SHADES.get(color_at(panel.steps, one.last), "#1F4E79") for one in series]
    bars = axes.barh([one.name for one in series], [one.last for one in series], color=colors)
    axes.bar_label(bars, [human(one.last, panel.unit) for one in series], fontsize=6, padding=2)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value, panel.unit)))
    axes.margins(x=0.15)
    axes.tick_params(axis="y", labelsize=6)


def _rows(axes: Axes, panel: Panel) -> None:
    _blank(axes)
    headings, lines = rows(panel)
    table = [[one[:40] for one in line] for line in (headings, *lines[:MOST])]
    widths = [max(len(line[place]) for line in table) for place in range(len(headings))]
    text = "\n".join("  ".join(one.ljust(width) for one, width in zip(line, widths, strict=True)) for line in table)
    axes.text(0.01, 0.97, text, va="top", fontsize=6, family="monospace", transform=axes.transAxes)


def _number(axes: Axes, panel: Panel) -> None:
    _blank(axes)
    value = panel.series[0].last if panel.state == "data" else None
    color = "#757575" if value is None else SHADES.get(color_at(panel.steps, value), "#1F4E79")
    axes.set_facecolor(color)
    text = panel.state if value is None else human(value, panel.unit)
    axes.text(0.5, 0.42, "no data" if text == "none" else text, ha="center", va="center", color="white", fontsize=14,
              weight="bold", transform=axes.transAxes)  # fmt: skip
    axes.text(0.03, 0.88, panel.title, va="center", color="white", fontsize=7, transform=axes.transAxes)
