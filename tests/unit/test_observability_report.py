"""The report from a real Prometheus: every query of every dashboard answers, and the page says what the data say."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import prometheus_server
import pytest
import yaml
from groundwork.estate.paths import PROJECT, Estate
from groundwork.observability import dashboards, report, report_data, report_plots
from groundwork.observability.report_data import Server, Span
from PIL import Image, ImageColor

CONTRACT = yaml.safe_load((PROJECT / "observability" / "metrics.yml").read_text())
MODELS = dashboards.models("https://docs.example.com/")
pytestmark = pytest.mark.xdist_group("report")


class Page(HTMLParser):
    """What a reader of the page finds: figures by id, links, pictures, and everything that would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: dict[str, dict[str, Any]] = {}
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.looks = 0
        self._figure: dict[str, Any] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if given.get("class") == "look":
            self.looks += 1
        if tag == "a":
            self.hrefs.append(str(given["href"]))
        self.loads += [str(given[name]) for name in ("src", "srcset") if name in given]
        self.loads += [tag] if tag in {"script", "link", "iframe"} else []
        if tag == "figure":
            self._figure = {"state": given["data-state"], "text": "", "pictures": 0, "classes": []}
            self.figures[str(given["id"])] = self._figure
        elif self._figure is not None:
            self._figure["pictures"] += tag == "img"
            self._figure["classes"] += str(given.get("class", "")).split()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "figure":
            self._figure = None

    def handle_data(self, data: str) -> None:
        if self._figure is not None:
            self._figure["text"] += data


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus_server.serving(CONTRACT, tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture(scope="module")
def panels(prometheus: str) -> list[report_data.Panel]:
    return report_data.collect(MODELS, Server(prometheus), Span.last(0.9))


def test_every_query_of_every_dashboard_answers(panels: list[report_data.Panel]) -> None:
    wrong = {
        f"{panel.dashboard}: {query.expression}": panel.error or "no data"
        for panel in panels
        if panel.state != "elsewhere"
        for query, answer in zip(panel.queries, panel.answers or [[]] * len(panel.queries), strict=True)
        if not answer
    }
    assert not wrong, "\n".join(f"{query}: {words}" for query, words in wrong.items())
    assert {panel.state for panel in panels} == {"data", "elsewhere"}
    assert sum(panel.state == "data" for panel in panels) > 140


@pytest.fixture(scope="module")
def text(panels: list[report_data.Panel]) -> str:
    # All numbers and tables, and the pictures of one dashboard: drawing all of them takes a minute of processor.
    chosen = [one for one in MODELS if one["uid"] in {"groundwork-estate", "groundwork-load-balancer"}]
    return report.page(chosen, panels, Span.last(0.9), "Estate <local>")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_holds_the_data(page: Page) -> None:
    by_title = {one["text"].split("\n")[0]: one for one in page.figures.values()}
    running = next(one for text, one in by_title.items() if text.startswith("Brokers running"))
    # Two hosts have state 1 there, and 3 is running.
    assert "✗ 0" in running["text"] and "critical" in running["classes"]
    # Two of what must be one is as bad as none.
    active = next(one for text, one in by_title.items() if text.startswith("Active controllers"))
    assert "✗ 2" in active["text"]
    mysql = next(one for text, one in by_title.items() if text.startswith("MySQL"))
    assert "✓ 1" in mysql["text"] and "good" in mysql["classes"]
    jobs = next(one for text, one in by_title.items() if text.startswith("Targets by job"))
    assert "JobUpDown" in jobs["text"] and "kafka20" in jobs["text"]
    processors = next(one for text, one in by_title.items() if text.startswith("Processors"))
    # Idle time rises a quarter of a second each second.
    assert processors["pictures"] == 1 and "local-kafka-2" in processors["text"] and "75.0 %" in processors["text"]
    assert page.looks >= 1
    elsewhere = [one for one in page.figures.values() if one["state"] == "elsewhere"]
    assert len(elsewhere) == 9 and all("asked by Grafana only" in one["text"] for one in elsewhere)


def test_the_page_needs_nothing_from_outside(page: Page) -> None:
    assert page.loads and all(one.startswith("data:image/svg+xml;base64,") for one in page.loads)
    assert not page.open and len(set(page.ids)) == len(page.ids)
    inside = [one.removeprefix("#") for one in page.hrefs if one.startswith("#")]
    assert inside and set(inside) <= set(page.ids)
    assert any(one.startswith("https://docs.example.com/breakglass-kafka.md#") for one in page.hrefs)


def test_a_dashboard_as_a_picture(panels: list[report_data.Panel], tmp_path: Path) -> None:
    chosen = [one for one in MODELS if one["uid"] in {"groundwork-consumer-lag", "groundwork-ecs"}]
    drawn = report.draw_all(chosen, panels, tmp_path)
    # What only CloudWatch knows has no picture.
    assert [path.name for path in drawn] == ["groundwork-consumer-lag.png"]
    with Image.open(drawn[0]) as picture:
        assert (picture.format, picture.mode, picture.width) == ("PNG", "P", 1339)
        counted = picture.convert("RGB").getcolors() or []
    first = ImageColor.getrgb(report_plots.LINES[0])
    lines = sum(number for number, color in counted if all(abs(a - b) < 24 for a, b in zip(color, first, strict=True)))
    assert lines > 300, "the first series is not drawn"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seconds", [0, 10, 200, 4 * 60, 3 * 3600, 40 * 3600, 20 * 86400])
@pytest.mark.parametrize("name", ["", "value", "kafka-1", "__consumer_offsets"])
def test_any_length_of_time_and_any_name_is_drawn_without_complaint(seconds: int, name: str) -> None:
    """An estate that has just come up has minutes of data, whatever the report was asked for."""
    model = next(one for board in MODELS for one in board["panels"] if one["type"] == "timeseries")
    points = [(1.8e9 + part * seconds / 4, float(part)) for part in range(5)] if seconds else [(1.8e9, 1.0)]
    panel = report_data.Panel(model, "groundwork-estate", [], [[report_data.Series(name, {}, points)]])
    assert report_plots.panel_svg(panel).startswith(b"<?xml")


def test_a_query_that_is_refused_is_told_in_its_panel(prometheus: str) -> None:
    model = {
        "uid": "x", "title": "X", "description": "", "panels": [
            {"id": 1, "type": "stat", "title": "Bad", "description": "d", "gridPos": {"w": 4}, "fieldConfig": {"defaults": {}},
             "targets": [{"datasource": {"type": "prometheus"}, "expr": "sum(up", "instant": True}]},
            {"id": 2, "type": "stat", "title": "None", "description": "d", "gridPos": {"w": 4}, "fieldConfig": {"defaults": {}},
             "targets": [{"datasource": {"type": "prometheus"}, "expr": "nothing_of_this_name", "instant": True}]},
        ],
    }  # fmt: skip
    span = Span.last(0.5)
    found = report_data.collect([model], Server(prometheus), span)
    text = report.page([model], found, span, "X")
    figures = Page(text).figures
    assert (figures["x-1"]["state"], figures["x-2"]["state"]) == ("failed", "none")
    assert "parse error" in figures["x-1"]["text"] and "no data" in figures["x-2"]["text"]


def test_no_server_and_a_wrong_tenant_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert report.main(["--url", "http://127.0.0.1:9", "--folder", str(tmp_path)]) == 1
    assert "make local" in capsys.readouterr().err and not (tmp_path / "index.html").exists()

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"X-Scope-OrgID: unknown tenant\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        assert report.main(["--url", f"http://127.0.0.1:{server.server_address[1]}", "--folder", str(tmp_path)]) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "refuses the tenant: X-Scope-OrgID: unknown tenant. Give another: TENANT=" in capsys.readouterr().err


def test_open_says_where_everything_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GROUNDWORK_ESTATE_OCTET", "214")
    for name in ("index.html", "groundwork-host.json", "groundwork-host.png"):
        (tmp_path / name).write_text("")
    # What is there already is not made again.
    assert report.main(["--open", "--folder", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert (
        "http://10.214.255.20:9090/prometheus" in told
        and "http://10.214.255.21/prometheus with X-Scope-OrgID: local" in told
    )
    assert (tmp_path / "index.html").as_uri() in told and (tmp_path / "groundwork-host.png").as_uri() in told
    assert "No browser with a screen here" in told
    assert report.places(Estate("local", 213), "local", "H", tmp_path)[0][1].startswith("http://10.213.")


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1536, "bytes", "1.5 KiB"), (3.2e9, "bytes", "2.98 GiB"), (0, "bytes", "0 B"), (2048, "Bps", "2 KiB/s"),
        (0.5, "percentunit", "50.0 %"), (12.34, "percent", "12.3 %"), (0.012, "s", "12 ms"), (90, "s", "90 s"),
        (7200, "s", "2 h"), (172_800, "s", "2 d"), (1500, "ms", "1.5 s"), (12_345, "short", "12.3 K"),
        (1.5, "cps", "1.5/s"), (42, "none", "42"), (-1, "none", "-1"),
    ],
)  # fmt: skip
def test_values_as_a_person_reads_them(value: float, unit: str, words: str) -> None:
    assert report_data.human(value, unit) == words


def test_a_legend_is_filled_by_labels() -> None:
    series = report_data._series(
        {"metric": {"__name__": "a", "host": "h", "x": "1"}, "values": [[1, "2"], [2, "NaN"], [3, "4"]]},
        dashboards.PanelQuery("d", "p", "a", "prometheus", "{{ host }} and {{none}}"),
    )
    assert (series.name, series.points, series.last) == ("h and", [(1.0, 2.0), (3.0, 4.0)], 4.0)
    assert re.match("host=h, x=1", report_data._name("", {"__name__": "a", "host": "h", "x": "1"}))


LOOK = """JSON.stringify({
  pictures: [...document.images].map((one) => [one.complete, one.naturalWidth, one.getBoundingClientRect().width]),
  sideways: document.documentElement.scrollWidth - innerWidth,
  narrow: [...document.querySelectorAll('figure')].filter((one) => one.getBoundingClientRect().width < 100).length,
  asked: performance.getEntriesByType('resource').map((one) => one.name.slice(0, 60)),
  red: getComputedStyle(document.querySelector('.value.critical')).backgroundColor,
})"""


@pytest.mark.parametrize("width", [1400, 500])
def test_a_browser_shows_every_picture_and_asks_for_nothing(text: str, tmp_path: Path, width: int) -> None:
    found = json.loads(browser.seen(text, LOOK, tmp_path, width))
    assert len(found["pictures"]) == 6
    assert all(complete and natural > 100 and shown > 100 for complete, natural, shown in found["pictures"])
    assert all(one.startswith("data:") for one in found["asked"])
    assert found["sideways"] <= 0 and found["narrow"] == 0
    assert found["red"] == "rgb(198, 40, 40)"
