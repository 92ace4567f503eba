"""The claims about how Ansible and Terraform read YAML, asked of both."""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from groundwork.catalog import TRAPS_SHOWN
from groundwork.catalog_yaml import Null, ansible_reading, is_trap, parse, scalar, terraform_reading
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAPS = (
    *TRAPS_SHOWN,
    *("No", "NO", "y", "Y", "N", "yes", "Yes", "off", "On", "True", "TRUE", "False", "0x1F"),
    *("1.5e3", "1.5e+3", "1E5", "1e-3", ".5", "5.", ".1e3", "+1.5", "08", "09.5", "00", "0_0", "-0x1F", "190:20:30.15"),
    *("12:30", "1_0.5", "2025-01-31T10:00:00Z", "2025-01-31 10:00:00", ".inf", "-.inf", ".nan", ".NaN", "-0"),
)
SAFE = (
    "a b c",
    "4.3.1",
    "10.0.0.0/16",
    "platform@example.com",
    "cache.t3.micro",
    "CC-1000",
    "0",
    "1",
    "-7",
    "3.5",
    "true",
)


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], list[Any]]:
    """Reads YAML documents with the real yamldecode; an unreadable one gives the text ERROR."""
    folder: Path = tmp_path_factory.mktemp("terraform")
    # A configuration of the machine's user (mirrors, plugins) has nothing to do with a console without providers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}

    def read(documents: list[str]) -> list[Any]:
        (folder / "documents.json").write_text(json.dumps(documents), encoding="utf-8")
        answer = 'try(jsonencode(yamldecode(document)), "ERROR")'
        # Base64, because the console shows text with escapes of its own.
        expression = f'base64encode(jsonencode([for document in jsondecode(file("documents.json")) : {answer}]))'
        done = subprocess.run(
            ["terraform", "console"],
            input=expression,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        answers = json.loads(base64.b64decode(done.stdout.strip().strip('"')))
        return [answer if answer == "ERROR" else json.loads(answer) for answer in answers]

    return read


def words(value: Any) -> str:
    if value == "ERROR":
        return "an error"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {int(value) if value == int(value) else value}"
    return f'the text "{value}"'


def test_every_trap_is_one() -> None:
    assert [text for text in TRAPS if not is_trap(text) and not isinstance(scalar(text), Null)] == []


def test_what_is_said_about_terraform(terraform: Callable[[list[str]], list[Any]]) -> None:
    for text, value in zip(TRAPS, terraform([f"a: {text}\n" for text in TRAPS]), strict=True):
        said = terraform_reading(text)
        actual = words(value if value == "ERROR" else value["a"])
        if said == "a time stamp":
            assert "T" in actual and actual.startswith('the text "2025'), text
        else:
            assert said == actual, text


def test_what_is_said_about_ansible() -> None:
    for text in TRAPS:
        try:
            value = yaml.safe_load(f"a: {text}\n")["a"]
        except yaml.YAMLError:
            value = "ERROR"
        said = ansible_reading(text)
        assert said == ("a time stamp" if hasattr(value, "year") else words_of_python(value)), text


def words_of_python(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"the number {value}"
    return words(value)


def test_safe_values_are_read_alike(terraform: Callable[[list[str]], list[Any]]) -> None:
    for text, value in zip(SAFE, terraform([f"a: {text}\n" for text in SAFE]), strict=True):
        assert not is_trap(text), text
        assert value["a"] == yaml.safe_load(f"a: {text}\n")["a"] == scalar(text), text


@given(
    st.lists(
        st.one_of(
            st.text(alphabet="0123456789_.+-eExob:ynaTZ~=<", min_size=1, max_size=9),
            st.from_regex(r"[A-Za-z0-9._/@+-]{1,12}", fullmatch=True),
        ),
        min_size=100,
        max_size=200,
    )
)
@settings(max_examples=8, deadline=None)
def test_whatever_is_accepted_is_read_alike(terraform: Callable[[list[str]], list[Any]], texts: list[str]) -> None:
    accepted = []
    for text in texts:
        document = parse(f"a: {text}\n")
        if not document.faults and isinstance(document.data, dict) and "a" in document.data:
            accepted.append((text, document.data["a"]))
    answers = terraform([f"a: {text}\n" for text, _ in accepted])
    for (text, value), answer in zip(accepted, answers, strict=True):
        assert answer != "ERROR", text
        expected = None if isinstance(value, Null) else value
        if isinstance(value, (dict, list)):
            continue
        assert answer["a"] == expected == yaml.safe_load(f"a: {text}\n")["a"], text
        assert type(answer["a"]) is type(expected) or isinstance(expected, float), text


def test_terraform_composes_text(terraform: Callable[[list[str]], list[Any]]) -> None:
    """Why such text is refused: a decomposed syllable, as some editors write it, and a compatibility ideograph."""
    for text in ("\u1100\u1161", "\U0002f800"):
        document = f'a: "{text}"\n'
        assert terraform([document])[0]["a"] == unicodedata.normalize("NFC", text) != text
        [fault] = parse(document).faults
        assert "Unicode NFC" in fault.remedy


@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12), min_size=30)
)
@settings(max_examples=8, deadline=None)
def test_quoted_text_is_the_same_text_to_both(terraform: Callable[[list[str]], list[Any]], texts: list[str]) -> None:
    # JSON is YAML; the separators below are line breaks to YAML 1.1 and cannot stand in a quoted line.
    clean = [text for text in texts if not set(text) & set("\x85\u2028\u2029\ufeff\ufffe\uffff")]
    documents = [f"a: {json.dumps(text, ensure_ascii=False)}\n" for text in clean]
    for text, document, answer in zip(clean, documents, terraform(documents), strict=True):
        parsed = parse(document)
        if parsed.faults:
            continue
        assert parsed.data == {"a": text} == answer == yaml.safe_load(document)
