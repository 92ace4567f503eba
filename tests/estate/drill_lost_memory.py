"""The drill `lost-memory`: the embedded AWS is emptied by a kill under a running estate; the next run rebuilds around the disks."""

from __future__ import annotations

from conftest import Estate


def test_the_embedded_aws_lost_its_memory(estate: Estate) -> None:
    """Being killed empties the embedded AWS: states, secrets and records are gone, disks are not. The next run rebuilds."""
    cluster = estate.on("local-kafka-1", "grep", "cluster.id", "/var/lib/kafka/data/meta.properties")
    estate.podman("kill", estate.container("aws"))
    run = estate.play()
    assert run.code == 0, run.output[-12000:]
    assert estate.on("local-kafka-1", "grep", "cluster.id", "/var/lib/kafka/data/meta.properties") == cluster
    again = estate.play()
    assert (again.code, again.changed) == (0, {}), again.output[-8000:]
