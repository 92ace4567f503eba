"""The checker of Alloy's configuration: the real program on configurations that are wrong in one way each."""

from __future__ import annotations

from pathlib import Path

import pytest
from groundwork.estate.paths import PROJECT, cache_dir
from groundwork.observability import alloysyntax

WRITE = """\
prometheus.remote_write "lgtm" {
	endpoint {
		url = "http://lgtm/api/v1/push"
	}
}
"""
LOGS = """\
loki.write "lgtm" {
	endpoint {
		url = "http://lgtm/loki/api/v1/push"
	}
}
"""


def scrape(body: str, label: str = "a") -> str:
    return f'prometheus.scrape "{label}" {{\n{body}}}\n'


GOOD = scrape("\ttargets    = []\n\tforward_to = [prometheus.remote_write.lgtm.receiver]\n")


@pytest.fixture(scope="module")
def checker() -> Path:
    alloysyntax.build(print)
    return alloysyntax.checker_path(PROJECT, cache_dir())


def test_right_configuration(checker: Path) -> None:
    assert alloysyntax.check({"10-write.alloy": WRITE, "20-scrape.alloy": GOOD}, checker) == []


@pytest.mark.parametrize(
    ("rule", "where", "words", "files"),
    [
        ("syntax", "a.alloy:2:1", "expected }, got EOF", {"a.alloy": "logging = {\n"}),
        ("syntax", "a.alloy:2:10", "not terminated", {"a.alloy": 'logging {\n\tlevel = "info\n}\n'}),
        ("format", "a.alloy:2:1", "not formatted", {"a.alloy": 'logging {\n    level = "info"\n}\n'}),
        ("format", "a.alloy:5:1", "not formatted", {"a.alloy": 'logging {\n\tlevel = "info"\n}\n\n\n'}),
        ("name", "a.conf:", "only files that end in .alloy", {"a.conf": ""}),
        ("unique", "b.alloy:1:1", "is already declared at a.alloy:1:1", {"a.alloy": WRITE, "b.alloy": WRITE}),
        ("unique", "b.alloy:1:1", "http is already declared", dict.fromkeys(("a.alloy", "b.alloy"), "http { }\n")),
        ("component", "a.alloy:1:1", 'no component "loki.writ"', {"a.alloy": 'loki.writ "x" { }\n'}),
        ("component", "a.alloy:1:1", "needs a label", {"a.alloy": "loki.write { }\n"}),
        ("block", "a.alloy:1:1", "outside of any block", {"a.alloy": "level = 1\n"}),
        ("reference", "a.alloy:3:16", "no file of the directory declares it", {"a.alloy": GOOD}),
        ("reference", "b.alloy:3:16", "exports only: receiver",
         {"a.alloy": WRITE, "b.alloy": GOOD.replace("lgtm.receiver", "lgtm.reciever")}),
        ("reference", "a.alloy:2:25", "refers to foo",
         {"a.alloy": 'loki.write "x" {\n\texternal_labels = {a = foo}\n}\n'}),
        ("cycle", "a.alloy:1:1", "circle", {"a.alloy":
            'loki.process "x" {\n\tforward_to = [loki.process.y.receiver]\n}\n\n'
            'loki.process "y" {\n\tforward_to = [loki.process.x.receiver]\n}\n'}),
        ("argument", "a.alloy:3:", 'unrecognized attribute name "uri"',
         {"a.alloy": WRITE.replace("url = ", "uri = ")}),
        ("argument", "b.alloy:", 'missing required attribute "targets"',
         {"a.alloy": WRITE, "b.alloy": scrape("\tforward_to = [prometheus.remote_write.lgtm.receiver]\n")}),
        ("argument", "b.alloy:3:", "loki.write.lgtm.receiver",
         {"a.alloy": LOGS, "b.alloy": scrape("\ttargets    = []\n\tforward_to = [loki.write.lgtm.receiver]\n")}),
        ("argument", "a.alloy:3:20", "missing unit in duration",
         {"a.alloy": WRITE.replace("\t\turl = ", "\t\tremote_timeout = \"30\"\n\t\turl            = ")}),
        ("argument", "b.alloy:", "longer than scrape_interval", {"a.alloy": WRITE, "b.alloy": scrape(
            "\ttargets         = []\n\tforward_to      = [prometheus.remote_write.lgtm.receiver]\n"
            '\tscrape_interval = "5s"\n\tscrape_timeout  = "10s"\n')}),
        ("argument", "a.alloy:", "sasl_mechanism", {"a.alloy":
            'prometheus.exporter.kafka "x" {\n\tkafka_uris     = ["a:9094"]\n\tsasl_mechanism = "scram"\n}\n'}),
        ("argument", "a.alloy:", "need an instance", {"a.alloy":
            'prometheus.exporter.kafka "x" {\n\tkafka_uris = ["a:9094", "b:9094"]\n}\n'}),
        ("argument", "a.alloy:", "unknown collector", {"a.alloy":
            'prometheus.exporter.postgres "x" {\n\tenabled_collectors = ["tables"]\n}\n'}),
        ("argument", "a.alloy:", "keeps needs a stage", {"a.alloy":
            'loki.process "x" {\n\tforward_to = []\n\n\tstage.match {\n\t\tselector = "{a=\\"b\\"}"\n\t}\n}\n'}),
        ("argument", "a.alloy:", "unknown relabel action", {"a.alloy":
            'loki.relabel "x" {\n\tforward_to = []\n\n\trule {\n\t\taction = "keepp"\n\t}\n}\n'}),
        ("argument", "a.alloy:", "error parsing regexp", {"a.alloy":
            'loki.process "x" {\n\tforward_to = []\n\n\tstage.regex {\n\t\texpression = "(?P<a>"\n\t}\n}\n'}),
    ],
)  # fmt: skip
def test_wrong_in_one_way(checker: Path, rule: str, where: str, words: str, files: dict[str, str]) -> None:
    found = [str(one) for one in alloysyntax.check(files, checker) if one.severity == "error" and one.rule == rule]
    assert any(words in one and one.startswith(where) for one in found), (found, alloysyntax.check(files, checker))


@pytest.mark.parametrize(
    ("rule", "words", "text"),
    [
        (
            "unchecked",
            "arguments of prometheus.exporter.redis",
            'prometheus.exporter.redis "db" {\n\tredis_addr = "x"\n}\n',
        ),
        (
            "unchecked",
            "inside of foreach",
            'foreach "x" {\n\tcollection = []\n\tvar        = "y"\n\n\ttemplate { }\n}\n',
        ),
        ("deprecated", "function env", 'loki.write "x" {\n\texternal_labels = {a = env("A")}\n}\n'),
    ],
)
def test_notes_refuse_nothing(checker: Path, rule: str, words: str, text: str) -> None:
    found = alloysyntax.check({"a.alloy": text}, checker)
    assert [one.severity for one in found] == ["warning"], found
    assert found[0].rule == rule
    assert words in found[0].message


def test_declare_has_names_of_its_own(checker: Path) -> None:
    inside = (
        'declare "ship" {\n\targument "to" { }\n\n\tloki.process "x" {\n\t\tforward_to = [argument.to.value]\n\t}\n\n'
    )
    export = '\texport "receiver" {\n\t\tvalue = loki.process.x.receiver\n\t}\n}\n'
    use = '\nship "one" {\n\tto = loki.write.lgtm.receiver\n}\n'
    found = alloysyntax.check({"a.alloy": inside + export + use, "b.alloy": LOGS}, checker)
    assert [one for one in found if one.severity == "error"] == []


def test_a_checker_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(alloysyntax.CheckerError, match="make setup"):
        alloysyntax.check({"a.alloy": ""}, tmp_path / "none")


def test_another_source_is_another_file(tmp_path: Path) -> None:
    source = tmp_path / alloysyntax.SOURCE
    source.mkdir(parents=True)
    (source / "main.go").write_text("package main\n")
    first = alloysyntax.checker_path(tmp_path, tmp_path)
    (source / "main_test.go").write_text("package main\n")
    assert alloysyntax.checker_path(tmp_path, tmp_path) == first
    (source / "main.go").write_text("package main\n\n")
    assert alloysyntax.checker_path(tmp_path, tmp_path) != first


def test_a_source_that_does_not_build_says_why(tmp_path: Path) -> None:
    source = tmp_path / alloysyntax.SOURCE
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module x\n\ngo 1.21.0\n")
    (source / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(alloysyntax.CheckerError, match="undefined: undefined"):
        alloysyntax.build(print, tmp_path, tmp_path / "cache")
    assert list((tmp_path / "cache" / "bin").iterdir()) == []
