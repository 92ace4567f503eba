"""The embedded estate's own rules, asked of the real routes of this machine."""

from __future__ import annotations

import pytest
from groundwork.estate import containers
from groundwork.estate.paths import Estate


def test_a_range_that_the_machine_routes_is_refused() -> None:
    network, _ = containers._machine_routes()[0]
    with pytest.raises(containers.EstateError, match=r"collides with this machine.s route .*GROUNDWORK_ESTATE_OCTET"):
        containers.check_range(str(network))


def test_a_free_range_is_accepted() -> None:
    containers.check_range("10.249.0.0/16")


def test_publishing_beyond_loopback_is_refused() -> None:
    container = containers.Container("x", "host", publish=("0.0.0.0:1:1",))
    with pytest.raises(containers.EstateError, match=r"127\.0\.0\.1 only"):
        containers._arguments(Estate("t", 249), "p", container, "image")


def test_unknown_keys_of_a_container_are_refused() -> None:
    with pytest.raises(containers.EstateError, match="colour"):
        containers.Container.parse({"name": "x", "image": "host", "colour": "red"})


def test_nothing_asked_twice() -> None:
    """The same container gives the same arguments whatever the order in which its parts were written."""
    one = containers.Container.parse({"name": "x", "image": "i", "aliases": ["b", "a"], "env": {"B": "1", "A": "2"}})
    two = containers.Container.parse({"name": "x", "image": "i", "aliases": ["a", "b"], "env": {"A": "2", "B": "1"}})
    assert containers._arguments(Estate("t", 249), "p", one, "i") == containers._arguments(
        Estate("t", 249), "p", two, "i"
    )
