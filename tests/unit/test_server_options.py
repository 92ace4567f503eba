"""Options of the servers: lists made from references, and what the check says of a configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from groundwork.estate.paths import PROJECT
from groundwork.observability import serverconfig
from groundwork.observability.options import make

DESCRIPTOR = {
    "kind": "block",
    "blockEntries": [
        {"kind": "field", "name": "target", "fieldType": "string"},
        {"kind": "block", "name": "server", "blockEntries": [
            {"kind": "field", "name": "port", "fieldType": "int"},
            {"kind": "field", "name": "hosts", "fieldType": "list of strings"},
        ]},
    ],
}  # fmt: skip

REFERENCE = """\
# Options
```yaml
# Example, not a reference.
port: 1
```
```yaml
# What runs.
[target: <string> | default = "all"]
# Where it listens.
[server: <server>]
store:
  # Bytes.
  [size: <int> | default = 256KB]
  deep:
    [wait: <duration>]
  [<tls>]
```
### server
```yaml
[port: <int> | default = 80]
[configs: <list of periods>]
labels:
```
### period
```yaml
[from: <daytime>]
```
### tls
```yaml
[cert_file: <string> | default = ""]
```
"""


def test_a_descriptor() -> None:
    assert make.from_descriptor(json.dumps(DESCRIPTOR)) == {
        "target": "string", "server.port": "int", "server.hosts": "list"
    }  # fmt: skip


def test_a_reference_page() -> None:
    assert make.from_reference(REFERENCE) == {
        "target": "string", "server.port": "int", "server.configs[].from": "string", "server.labels": "any",
        "store.size": "size", "store.deep.wait": "duration", "store.cert_file": "string",
    }  # fmt: skip


def test_a_manifest_and_what_it_leaves_out() -> None:
    manifest = "words\n```yaml\nserver:\n  wait: 30s\n  port: 80\n  open: true\n  names: ''\nextra: {}\n```\n"
    go = 'type Config struct {\n\tTarget string `yaml:"target,omitempty"`\n\tOn bool `yaml:"all_on"`\n}\n'
    assert make.from_manifest(manifest, go) == {
        "server.wait": "duration", "server.port": "int", "server.open": "boolean", "server.names": "texts", "extra": "any",
        "target": "string", "all_on": "boolean",
    }  # fmt: skip


def test_defaults_of_grafana() -> None:
    text = "mode = production\n[server]\nhttp_port = 3000\n[auth.anonymous]\nenabled = false\n"
    assert make.from_ini(text) == {
        "mode": "string", "server.http_port": "int", "auth.anonymous.enabled": "boolean"
    }  # fmt: skip


def test_a_list_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = make.from_reference(REFERENCE)
    (tmp_path / "toy-1.0.txt").write_text(make.text_of(known))
    monkeypatch.setattr(serverconfig, "OPTIONS", tmp_path)
    assert serverconfig.options("toy", "1.0") == known


def test_the_list_of_a_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    source = tmp_path / "cmd/mimir"
    source.mkdir(parents=True)
    (source / "config-descriptor.json").write_text(json.dumps(DESCRIPTOR))
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    assert make.main(["mimir", "9.9.9", str(tmp_path)]) == 0
    assert (tmp_path / "mimir-9.9.9.txt").read_text() == "server\n hosts list\n port int\ntarget string\n"
    assert make.main(["nagios", "1", "."]) == 64
    assert "config-descriptor.json" in capsys.readouterr().err


def test_the_versions_that_run_are_known() -> None:
    written = (PROJECT / "terraform/components/70-lgtm/variables.tf").read_text()
    runs = dict(re.findall(r'^\s+(\w+)\s+= optional\(string, "(\d+\.\d+\.\d+)"\)', written, re.MULTILINE))
    assert {server: runs[server] for server in serverconfig.versions()} == {
        server: some[-1] for server, some in serverconfig.versions().items()
    }
    assert set(serverconfig.versions()) == {"grafana", "loki", "mimir", "pyroscope", "tempo"}


@pytest.mark.parametrize(
    ("server", "text", "path", "reason", "remedy"),
    [
        ("mimir", "limits: {ingestion_rates: 5}", "limits.ingestion_rates", "has no such option", "Did you mean limits.ingestion_rate?"),
        ("mimir", "limits: {rule_path: /data}", "limits.rule_path", "has no such option", "The option is at ruler.rule_path"),
        ("mimir", "nothing_like_it: 1", "nothing_like_it", "has no such option", "Remove it"),
        ("mimir", "limits: {ingestion_rate: fast}", "limits.ingestion_rate", "'fast' is not a number", "Write a number"),
        ("mimir", "shutdown_delay: 7 days", "shutdown_delay", "'7 days' is not a duration", "Write a duration such as 30s, 5m or 24h"),
        ("mimir", "multitenancy_enabled: 1", "multitenancy_enabled", "1 is not true or false", "Write true or false"),
        ("mimir", "server: 8080", "server", "8080 is not a mapping", "Write a mapping"),
        ("mimir", "server: {http_listen_port: true}", "server.http_listen_port", "True is not a whole number", "Write a whole number"),
        ("mimir", "a: [", "the file", "is not YAML", "Correct it"),
        ("loki", "schema_config: {configs: {from: x}}", "schema_config.configs", "dict is not a list", "Write a list"),
        ("loki", "schema_config: {configs: [{fron: x}]}", "schema_config.configs[].fron", "has no such option", "Did you mean schema_config.configs[].from?"),
        ("loki", "limits_config: {max_line_size: big}", "limits_config.max_line_size", "'big' is not a size", "Write a size such as 256KB"),
        ("tempo", "storage: {trace: {backends: s3}}", "storage.trace.backends", "has no such option", "Did you mean storage.trace.backend?"),
        ("tempo", "memberlist: {join_members: [[1]]}", "memberlist.join_members", "list is not text or a list of texts", "Write text or a list of texts"),
        ("grafana", "[server]\nhttp_prot = 3000\n", "server.http_prot", "has no such option", "Did you mean server.http_port?"),
        ("grafana", "[auth.anonymous]\nenabled = maybe\n", "auth.anonymous.enabled", "'maybe' is not true or false", "Write true or false"),
        ("grafana", "no section\n", "the file", "is not an INI file", "Correct it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_remedy(server: str, text: str, path: str, reason: str, remedy: str) -> None:
    version = serverconfig.versions()[server][-1]
    with pytest.raises(serverconfig.ConfigError) as raised:
        serverconfig.check(server, version, "here.yaml", text)
    (problem,) = raised.value.problems
    assert (problem.file, problem.path, problem.remedy) == ("here.yaml", path, remedy)
    assert reason in problem.reason
    assert str(raised.value) == f"here.yaml: {path}: {problem.reason}. {remedy}"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(serverconfig.ConfigError) as raised:
        serverconfig.check(
            "mimir", "3.0.1", "f", "targte: all\nserver: {http_listen_port: x}\nruler: {enable_api: true}"
        )
    assert [problem.path for problem in raised.value.problems] == ["targte", "server.http_listen_port"]


def test_receivers_of_the_collector_are_not_judged() -> None:
    serverconfig.check("tempo", "2.10.8", "f", "distributor: {receivers: {otlp: {protocols: {http: {endpoint: x}}}}}")


def test_a_version_that_is_not_known() -> None:
    words = r"options of mimir 1\.0\.0 are not known; known are grafana .*Make the list with: python -m"
    with pytest.raises(serverconfig.ConfigError, match=words):
        serverconfig.check("mimir", "1.0.0", "f", "target: all")
