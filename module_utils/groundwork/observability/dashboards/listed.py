"""The list of dashboards in docs/dashboards.md: `python -m groundwork.observability.dashboards.listed` writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import models, queries
from .build import panels_of

BEGIN, END = "<!-- dashboards: generated -->", "<!-- dashboards: end -->"
PAGE = Path("docs/dashboards.md")


def table(dashboards: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        "| dashboard | uid | panels | queries | variables | what it shows |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in dashboards:
        variables = ", ".join(f"`{variable['name']}`" for variable in one["templating"]["list"])
        rows.append(
            f"| {one['title']} | `{one['uid']}` | {sum(1 for _ in panels_of(one))} | {len(queries([one]))} | {variables} |"
            f" {one['description']} |"
        )
    return "\n".join(rows)


def docs_of(page: str) -> str:
    """The page with the list as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(models())}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(docs_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
