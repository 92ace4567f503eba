"""The drill `terraform-all`: every component of every cloud environment; the standby beside the production that it copies.

dev and staging have an embedded AWS each. dr stands in production's account, in another region: one AWS for both.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import Estate
from lifecycle import apply, destroy, differences, leftovers

CHAINS = (("dev", "staging"), ("prod", "dr"))


@pytest.fixture(scope="module")
def estates(estate_of: Callable[..., Estate]) -> dict[str, Estate]:
    made = {env: estate_of(env) for env in ("dev", "staging", "prod")}
    made["dr"] = estate_of("dr", beside=made["prod"])
    assert {env: leftovers(estate) for env, estate in made.items()} == {env: [] for env in made}, (
        "before anything is made"
    )

    def chain(names: tuple[str, ...]) -> None:
        for name in names:
            apply(made[name])

    with ThreadPoolExecutor(len(CHAINS)) as pool:
        list(pool.map(chain, CHAINS))
    return made


def test_the_second_plans_are_empty(estates: dict[str, Estate]) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(estates, pool.map(differences, estates.values()), strict=True))
    assert found == {env: [] for env in estates}


def test_destroying_leaves_nothing(estates: dict[str, Estate]) -> None:
    def chain(names: tuple[str, ...]) -> None:
        for name in reversed(names):
            destroy(estates[name])

    with ThreadPoolExecutor(len(CHAINS)) as pool:
        list(pool.map(chain, CHAINS))
    left: dict[str, Any] = {env: leftovers(estate) for env, estate in estates.items()}
    assert left == {env: [] for env in estates}
