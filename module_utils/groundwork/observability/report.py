"""The estate's health as one HTML file that needs nothing: no Grafana, no network, no script.

Every panel of every dashboard, asked by its own query of Prometheus or Mimir. `make report` writes it, `make open` says
where everything is and opens it where there is a browser.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..estate.paths import PROJECT, WORK, Estate
from . import dashboards, routes
from .report_data import MOST, Panel, ReportError, Server, Span, collect, color_at, human, rows

FOLDER = WORK / "report"
_GRADES = {"green": ("good", "✓"), "#EAB839": ("warning", "!"), "red": ("critical", "✗"), "blue": ("plain", "")}
_STATES = {
    "none": "no data",
    "failed": "the query failed",
    "elsewhere": "asked by Grafana only",
}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2e7d32; --warning: #b26a00; --critical: #c62828; --plain: #1f4e79; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 100rem; padding: 0 1rem 4rem; }
nav a { margin-right: .8rem; white-space: nowrap; }
table { border-collapse: collapse; } th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.grid { display: grid; gap: .8rem; grid-template-columns: repeat(24, 1fr); }
figure { border: 1px solid var(--line); border-radius: .3rem; grid-column: span var(--w); margin: 0; min-width: 0; overflow: auto; padding: .5rem; }
figure img { background: #fff; display: block; height: auto; width: 100%; }
figcaption { font-weight: 600; } figure p { color: #777; font-size: .85em; margin: .1rem 0 .3rem; }
.value { border-radius: .3rem; color: #fff; display: block; font-size: 1.4rem; padding: .2rem .6rem; }
.good, .warning, .critical, .plain { color: #fff; }
.good { background: var(--good); } .warning { background: var(--warning); } .critical { background: var(--critical); }
.plain { background: var(--plain); } .empty { background: #757575; }
details { font-size: .85em; }
@media (max-width: 60rem) { figure { grid-column: span 24; } }
"""


def grade(panel: Panel) -> tuple[str, str]:
    """(class, sign) of a number by its thresholds; a colour never stands alone."""
    return _GRADES.get(color_at(panel.steps, panel.series[0].last), ("plain", ""))


def page(models: Sequence[Mapping[str, Any]], panels: Sequence[Panel], span: Span, title: str) -> str:
    """The report as HTML."""
    from . import report_plots

    shown = {model["uid"] for model in models}
    panels = [panel for panel in panels if panel.dashboard in shown]
    by_dashboard = {model["uid"]: {p.model["id"]: p for p in panels if p.dashboard == model["uid"]} for model in models}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{_moment(span.start)} to {_moment(span.end)} UTC</p>",
        _attention(models, panels),
        _overview(models, panels),
    ]
    for model in models:
        parts.append(
            f'<h2 id="{model["uid"]}">{html.escape(model["title"])}</h2><p>{html.escape(model["description"])}</p>'
        )
        open_grid = False
        for one in model["panels"]:
            if one["type"] == "row":
                parts.append(
                    ("</div>" if open_grid else "") + f'<h3>{html.escape(one["title"])}</h3><div class="grid">'
                )
                open_grid = True
                continue
            parts.append(_figure(by_dashboard[model["uid"]][one["id"]], report_plots.panel_svg))
        parts.append("</div>" if open_grid else "")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _attention(models: Sequence[Mapping[str, Any]], panels: Sequence[Panel]) -> str:
    titles = {model["uid"]: model["title"] for model in models}
    lines = []
    # Red before yellow, else as the dashboards have them.
    for panel in sorted(
        panels, key=lambda one: one.model["type"] == "stat" and one.state == "data" and grade(one)[0] != "critical"
    ):
        if panel.model["type"] != "stat" or panel.state != "data":
            continue
        name, sign = grade(panel)
        if name in {"warning", "critical"}:
            links = "".join(_link(one) for one in panel.model.get("links", ()))
            lines.append(
                f'<tr class="look"><td><span class="{name}">&nbsp;{sign}&nbsp;</span></td>'
                f'<td><a href="#{_id(panel)}">{html.escape(panel.title)}</a></td>'
                f'<td class="n">{html.escape(human(panel.series[0].last, panel.unit))}</td>'
                f"<td>{html.escape(titles[panel.dashboard])}</td><td>{links}</td></tr>"
            )
    if not lines:
        return "<h2>To look at</h2><p>Nothing is yellow or red.</p>"
    return f"<h2>To look at</h2><table>{''.join(lines)}</table>"


def _overview(models: Sequence[Mapping[str, Any]], panels: Sequence[Panel]) -> str:
    lines = []
    for model in models:
        states = [panel.state for panel in panels if panel.dashboard == model["uid"]]
        cells = "".join(f'<td class="n">{states.count(one)}</td>' for one in ("data", "none", "failed", "elsewhere"))
        lines.append(f'<tr><td><a href="#{model["uid"]}">{html.escape(model["title"])}</a></td>{cells}</tr>')
    heads = "".join(f"<th>{one}</th>" for one in ("Dashboard", "With data", "No data", "Failed", "Grafana only"))
    return f"<h2>Panels</h2><table><tr>{heads}</tr>{''.join(lines)}</table>"


def _id(panel: Panel) -> str:
    return f"{panel.dashboard}-{panel.model['id']}"


def _link(one: Mapping[str, Any]) -> str:
    return f'<a href="{html.escape(one["url"])}">{html.escape(one["title"])}</a> '


def _figure(panel: Panel, svg: Any) -> str:
    width = panel.model["gridPos"]["w"]
    body = ""
    if panel.state != "data":
        words = panel.error or _STATES[panel.state]
        body = (
            f'<span class="{"value empty" if panel.model["type"] == "stat" else "quiet"}">{html.escape(words)}</span>'
        )
    elif panel.model["type"] == "stat":
        name, sign = grade(panel)
        body = f'<span class="value {name}">{sign} {html.escape(human(panel.series[0].last, panel.unit))}</span>'
    elif panel.model["type"] == "table":
        body = _rows(panel)
    else:
        data = base64.b64encode(svg(panel)).decode()
        body = f'<img alt="{html.escape(panel.title)}" src="data:image/svg+xml;base64,{data}">'
        body += f"<details><summary>Values at the end</summary>{_table(panel)}</details>"
    links = "".join(_link(one) for one in panel.model.get("links", ()))
    return (
        f'<figure id="{_id(panel)}" data-state="{panel.state}" style="--w:{width}"><figcaption>{html.escape(panel.title)}'
        f"</figcaption><p>{html.escape(panel.model['description'])} {links}</p>{body}</figure>"
    )


def _rows(panel: Panel) -> str:
    headings, lines = rows(panel)
    head = "".join(f"<th>{html.escape(one)}</th>" for one in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(one)}</td>' for one in line)}</tr>" for line in lines[:MOST])
    return f"<table><tr>{head}</tr>{body}</table>"


def _table(panel: Panel) -> str:
    rows = "".join(
        f'<tr><td>{html.escape(one.name)}</td><td class="n">{html.escape(human(one.last, panel.unit))}</td></tr>'
        for one in panel.series
    )
    return f"<table>{rows}</table>"


def make(server: Server, folder: Path, hours: float, title: str, pictures: Path | None = None) -> list[Panel]:
    """Write the report (and a picture of each dashboard into `pictures`); returns the panels with what they showed."""
    models = dashboards.models(str(PROJECT / "docs"))
    span = Span.last(hours)
    panels = collect(models, server, span)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "index.html", page(models, panels, span, title))
    for model in models:
        _write(folder / f"{model['uid']}.json", json.dumps(model, indent=1, sort_keys=True) + "\n")
    if pictures is not None:
        draw_all(models, panels, pictures)
    return panels


def draw_all(models: Sequence[Mapping[str, Any]], panels: Sequence[Panel], folder: Path) -> list[Path]:
    """One PNG a dashboard whose panels have data; those that only Grafana can ask have none."""
    from . import report_plots

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for model in models:
        if any(panel.state == "data" for panel in panels if panel.dashboard == model["uid"]):
            path = folder / f"{model['uid']}.png"
            report_plots.dashboard_png(model, panels, path)
            drawn.append(path)
    return drawn


def _write(path: Path, text: str) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(text, encoding="utf-8")
    staged.replace(path)


def has_browser() -> bool:
    """Whether a browser with a screen can be opened here."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def places(estate: Estate, tenant: str, header: str, folder: Path) -> list[tuple[str, str]]:
    """Where everything of an embedded estate is: (what, where)."""
    network = f"10.{estate.octet}"
    pictures = sorted(folder.glob("*.png"))
    return [
        ("Prometheus", f"http://{network}.255.20:9090/prometheus"),
        ("the same through the routes", f"http://{network}.255.21/prometheus with {header}: {tenant}"),
        ("report", (folder / "index.html").as_uri()),
        *((f"dashboard {path.stem}", path.as_uri()) for path in sorted(folder.glob("groundwork-*.json"))),
        *((f"picture {path.stem}", path.as_uri()) for path in pictures),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    estate = Estate(
        os.environ.get("GROUNDWORK_ESTATE") or "local", int(os.environ.get("GROUNDWORK_ESTATE_OCTET") or 213)
    )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="what /api/v1/query comes behind; the embedded estate's by default")
    parser.add_argument("--tenant", default="local", help="tenant to send; empty for a server without tenants")
    parser.add_argument("--hours", type=float, default=1.0, help="how far back")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--pictures", type=Path, help="folder for a PNG of each dashboard")
    parser.add_argument("--open", action="store_true", help="say where everything is, and open the report")
    given = parser.parse_args(arguments)
    header = routes.load(PROJECT / "terraform" / "routes.yml").tenant_header
    url = (given.url or f"http://10.{estate.octet}.255.21/prometheus").rstrip("/")
    index = given.folder / "index.html"
    try:
        if not given.open or not index.exists():
            server = Server(url, {header: given.tenant} if given.tenant else {})
            panels = make(server, given.folder, given.hours, f"Estate {given.tenant or url}", given.pictures)
            counted = {state: sum(1 for one in panels if one.state == state) for state in ("data", *_STATES)}
            words = ", ".join(f"{number} {_STATES.get(state, 'with data')}" for state, number in counted.items())
            print(f"{len(panels)} panels: {words}\n{index}")
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    if given.open:
        for what, where in places(estate, given.tenant, header, given.folder):
            print(f"{what + ':':32} {where}")
        if has_browser():
            webbrowser.open(index.as_uri())
        else:
            print("No browser with a screen here: copy the report to a machine with one, it is one file.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
