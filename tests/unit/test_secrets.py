"""The modules secrets and ssm_parameters, against a real moto server of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from groundwork import secrets, ssm
from groundwork.aws_client import AwsError, Refusal, chunks, explain, open_client


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """A moto server on loopback; the environment points at it, as it does for every AWS tool."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wanted = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "ap-northeast-2",
        "AWS_DEFAULT_REGION": "ap-northeast-2",
    }
    saved = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the moto server ended at once: is moto[server] installed?"
                assert time.monotonic() < deadline, "the moto server did not answer within 60 s"
                time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(timeout=20)
        for key, text in saved.items():
            if text is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = text


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def wish(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "value": {"engine": "mysql", "host": "db.internal", "port": 3306},
        "generate": ["password"],
        **more,
    }


def stored(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    return value


# --- secrets -------------------------------------------------------------------------------------------------------


def test_made_once_then_silent(aws: None, prefix: str) -> None:
    wishes = [wish(f"{prefix}-{index}-database") for index in range(25)]
    first = secrets.ensure(wishes, tags={"Environment": "local"})
    assert first["changed"] and first["created"] == [item["name"] for item in wishes]
    passwords = {value["password"] for value in first["values"].values()}
    assert len(passwords) == 25
    assert all(len(password) == 32 and password.isalnum() for password in passwords)
    second = secrets.ensure(wishes, tags={"Environment": "local"})
    assert not second["changed"] and second["created"] == [] and second["updated"] == []
    assert second["diff"] == {"before": {}, "after": {}}
    assert second["values"] == first["values"] and second["arns"] == first["arns"]


def test_check_mode_tells_and_changes_nothing(aws: None, prefix: str) -> None:
    name = f"{prefix}-fileflow-database"
    predicted = secrets.ensure([wish(name)], check=True)
    assert predicted["changed"] and predicted["pending"] == [name] and predicted["created"] == [name]
    assert predicted["values"] == {name: {"engine": "mysql", "host": "db.internal", "port": 3306}}
    with pytest.raises(secrets.SecretsError, match="no readable secret"):
        secrets.ensure([], read=[name])
    real = secrets.ensure([wish(name)])
    assert real["diff"] == predicted["diff"]
    assert secrets.ensure([wish(name)], check=True)["pending"] == []


def test_given_keys_are_kept_and_others_left_alone(aws: None, prefix: str) -> None:
    name = f"{prefix}-x"
    first = secrets.ensure([wish(name)])["values"][name]
    changed = {**stored(name), "host": "elsewhere", "port": "3306", "rotation": {"state": "retained"}}
    boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(changed))
    result = secrets.ensure([wish(name)])
    assert result["updated"] == [name]
    assert result["diff"]["before"][name]["keys"] == {"host": "another value", "port": "another value"}
    assert stored(name) == {**first, "rotation": {"state": "retained"}}
    assert type(stored(name)["port"]) is int


def test_password_set_by_hand_is_never_replaced(aws: None, prefix: str) -> None:
    name = f"{prefix}-x"
    secrets.ensure([wish(name)])
    by_hand = {**stored(name), "password": "chosen by a person"}
    boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(by_hand))
    assert not secrets.ensure([wish(name)])["changed"]
    assert stored(name)["password"] == "chosen by a person"


def test_description_key_and_tags_drift_is_fixed(aws: None, prefix: str) -> None:
    name = f"{prefix}-x"
    key = boto3.client("kms").create_key()["KeyMetadata"]
    wanted = wish(name, description="login of x", kms_key_id=key["Arn"], tags={"Service": "x"})
    secrets.ensure([wanted], tags={"Environment": "local"})
    client = boto3.client("secretsmanager")
    client.update_secret(SecretId=name, Description="wrong", KmsKeyId="alias/other")
    client.tag_resource(SecretId=name, Tags=[{"Key": "Service", "Value": "y"}, {"Key": "Kept", "Value": "1"}])
    before = stored(name)
    result = secrets.ensure([wanted], tags={"Environment": "local"})
    assert set(result["diff"]["after"][name]) == {"description", "kms_key_id", "tags"}
    about = client.describe_secret(SecretId=name)
    assert about["Description"] == "login of x" and about["KmsKeyId"] == key["Arn"]
    assert {tag["Key"]: tag["Value"] for tag in about["Tags"]} == {"Environment": "local", "Service": "x", "Kept": "1"}
    assert stored(name) == before
    assert not secrets.ensure([wanted], tags={"Environment": "local"})["changed"]


def test_scheduled_deletion_is_taken_back(aws: None, prefix: str) -> None:
    name = f"{prefix}-x"
    first = secrets.ensure([wish(name)])["values"][name]
    boto3.client("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert secrets.ensure([], read=[name], require_read=False)["missing"] == [name]
    predicted = secrets.ensure([wish(name)], check=True)
    assert predicted["restored"] == [name] and predicted["pending"] == [name]
    result = secrets.ensure([wish(name)])
    assert result["restored"] == [name] and result["created"] == []
    assert stored(name) == first


def test_a_deletion_is_scheduled_once_and_can_be_taken_back(aws: None, prefix: str) -> None:
    name = f"{prefix}-gone"
    first = secrets.ensure([wish(name)])["values"][name]
    absent: dict[str, Any] = {"absent": [name, f"{prefix}-never"], "recovery_days": 7}
    predicted = secrets.ensure([], **absent, check=True)
    assert predicted["removed"] == [name] and predicted["changed"] and stored(name) == first
    assert secrets.ensure([], **absent)["diff"] == predicted["diff"]
    again = secrets.ensure([], **absent)
    assert (again["changed"], again["removed"]) == (False, [])
    assert secrets.ensure([wish(name)])["restored"] == [name] and stored(name) == first


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"absent": ["a"], "read": ["a"]}, "it can be one only"), ({"absent": ["a"], "recovery_days": 5}, "7-30, not 5")],
)
def test_a_deletion_that_cannot_be_meant_is_refused(aws: None, wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(secrets.SecretsError, match=reason):
        secrets.ensure([], **wrong)


@pytest.mark.parametrize("text", ["plain S3CRET", '["S3CRET"]', '"S3CRET"', "{S3CRET"])
def test_what_is_not_a_json_object_is_refused(aws: None, prefix: str, text: str) -> None:
    name = f"{prefix}-x"
    client = boto3.client("secretsmanager")
    client.create_secret(Name=name, SecretString=text)
    with pytest.raises(secrets.SecretsError, match=name) as caught:
        secrets.ensure([wish(name)])
    assert "S3CRET" not in str(caught.value)
    assert client.get_secret_value(SecretId=name)["SecretString"] == text


def test_binary_is_refused_and_a_secret_without_a_value_is_filled(aws: None, prefix: str) -> None:
    client = boto3.client("secretsmanager")
    client.create_secret(Name=f"{prefix}-b", SecretBinary=b"\0")
    with pytest.raises(secrets.SecretsError, match="binary"):
        secrets.ensure([], read=[f"{prefix}-b"])
    client.create_secret(Name=f"{prefix}-e")
    result = secrets.ensure([wish(f"{prefix}-e")])
    assert result["updated"] == [f"{prefix}-e"] and stored(f"{prefix}-e")["password"]


def test_read_by_name_and_arn_in_one_call(aws: None, prefix: str) -> None:
    arn = secrets.ensure([wish(f"{prefix}-x")])["arns"][f"{prefix}-x"]
    result = secrets.ensure([], read=[arn, f"{prefix}-x"])
    assert result["values"][arn] == result["values"][f"{prefix}-x"] == stored(f"{prefix}-x")
    assert not result["changed"]
    assert "values" not in secrets.ensure([], read=[arn], return_values=False)


def test_no_value_in_diff_or_repr(aws: None, prefix: str) -> None:
    one = wish(f"{prefix}-x", value={"token": "S3CRET"})
    result = secrets.ensure([one])
    password = result["values"][f"{prefix}-x"]["password"]
    for text in (json.dumps(result["diff"]), repr(secrets.parse_specs([one]))):
        assert "S3CRET" not in text and password not in text


def test_every_fault_at_once() -> None:
    with pytest.raises(secrets.SecretsError) as caught:
        secrets.parse_specs(
            [
                {"name": "a b", "value": {"k": 1}},
                {"name": "twice", "value": {"k": 1}},
                {"name": "twice", "value": {"k": 1}, "generate": ["k"]},
                {"name": "empty"},
                {"name": "short", "generate": ["p"], "password_length": 8},
            ]
        )
    text = str(caught.value)
    for part in ("a name is", "named twice", "only one of them", "has no use", "20-4096"):
        assert part in text


def test_kms_key_by_id_or_arn() -> None:
    arn = "arn:aws:kms:ap-northeast-2:123456789012:key/1234"
    assert secrets.same_key(arn, "1234") and secrets.same_key("1234", arn) and secrets.same_key(arn, arn)
    assert not secrets.same_key(arn, "234") and not secrets.same_key(arn, "")


# --- ssm_parameters ------------------------------------------------------------------------------------------------


def test_parameters_written_in_bulk_then_silent(aws: None, prefix: str) -> None:
    wishes: dict[str, Any] = {f"/{prefix}/n/{index}": {"value": index + 1, "description": "d"} for index in range(23)}
    wishes[f"/{prefix}/list"] = {"value": ["a", "b"], "type": "StringList"}
    first = ssm.ensure(wishes, tags={"Environment": "local"})
    assert len(first["created"]) == 24 and first["changed"]
    second = ssm.ensure(wishes, tags={"Environment": "local"}, read_paths=[f"/{prefix}"])
    assert not second["changed"] and second["diff"] == {"before": {}, "after": {}}
    assert second["values"][f"/{prefix}/list"] == "a,b" and second["types"][f"/{prefix}/list"] == "StringList"
    assert len(ssm.ensure({}, read_paths=[f"/{prefix}/n"])["values"]) == 23


def test_parameter_drift_is_predicted_and_fixed(aws: None, prefix: str) -> None:
    wishes = {f"/{prefix}/a": {"value": "1", "description": "d"}, f"/{prefix}/b": {"value": "2"}}
    ssm.ensure(wishes)
    client = boto3.client("ssm")
    client.put_parameter(Name=f"/{prefix}/a", Value="9", Overwrite=True)
    predicted = ssm.ensure(wishes, check=True)
    assert predicted["updated"] == [f"/{prefix}/a"]
    assert predicted["diff"]["before"][f"/{prefix}/a"]["value"] == "9"
    assert client.get_parameter(Name=f"/{prefix}/a")["Parameter"]["Value"] == "9"
    assert ssm.ensure(wishes)["updated"] == [f"/{prefix}/a"]
    assert not ssm.ensure(wishes)["changed"]


def test_parameter_tags_are_fixed(aws: None, prefix: str) -> None:
    wishes = {f"/{prefix}/a": {"value": "1"}}
    ssm.ensure(wishes)
    result = ssm.ensure(wishes, tags={"Environment": "local"})
    assert result["updated"] == [f"/{prefix}/a"]
    assert result["diff"]["after"] == {f"/{prefix}/a tags": {"Environment": "local"}}
    assert not ssm.ensure(wishes, tags={"Environment": "local"})["changed"]


def test_secure_string_never_shown(aws: None, prefix: str) -> None:
    wishes = {f"/{prefix}/s": {"value": "S3CRET", "type": "SecureString"}}
    assert "S3CRET" not in json.dumps(ssm.ensure(wishes)["diff"])
    changed = ssm.ensure({f"/{prefix}/s": {"value": "S3CRET2", "type": "SecureString"}})
    assert changed["updated"] and "S3CRET" not in json.dumps(changed["diff"])


def test_missing_names_and_wrong_types(aws: None, prefix: str) -> None:
    ssm.ensure({f"/{prefix}/a": {"value": "1"}})
    with pytest.raises(ssm.ParametersError, match="no such SSM parameter"):
        ssm.ensure({}, read_names=[f"/{prefix}/a", f"/{prefix}/none"])
    assert ssm.ensure({}, read_names=[f"/{prefix}/none"], require_names=False)["missing"] == [f"/{prefix}/none"]
    with pytest.raises(ssm.ParametersError, match="cannot be changed in place"):
        ssm.ensure({f"/{prefix}/a": {"value": "1", "type": "SecureString"}})
    with pytest.raises(ssm.ParametersError) as caught:
        ssm.parse_parameters({"nope": {"value": "1"}, "/a b": {"value": ""}, "/c": {"value": "1", "typ": "x"}})
    assert str(caught.value).count("\n") == 4


# --- errors --------------------------------------------------------------------------------------------------------


def test_errors_in_an_operators_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_REGION", "ap-northeast-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-2")
    with pytest.raises(AwsError, match=r"no usable AWS credentials.*log in"):
        secrets.ensure([], read=["x"], client=open_client("secretsmanager"))


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("AccessDeniedException", "User x is not authorized to perform: y", "add the action to the role"),
        ("AccessDeniedException", "Access to KMS is not allowed", "kms:Decrypt"),
        ("DecryptionFailure", "cannot decrypt", "kms:Decrypt"),
        ("ExpiredTokenException", "expired", "log in again"),
        ("ThrottlingException", "Rate exceeded", "in a minute"),
        ("InternalServiceError", "sorry", "InternalServiceError: sorry"),
    ],
)
def test_what_aws_says_is_explained(code: str, message: str, expected: str) -> None:
    assert expected in explain(Refusal(code, message), "reading secret x")


def test_chunks() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_a_default_is_set_once_and_a_rotation_may_change_it(aws: None) -> None:
    name = f"rotated-{uuid.uuid4()}"
    wish = [{"name": name, "value": {"mechanism": "SCRAM-SHA-512"}, "defaults": {"username": "fileflow"}}]
    checked = secrets.ensure(wish, check=True)
    assert checked["changed"] and checked["values"][name]["username"] == "fileflow"
    assert secrets.ensure(wish)["values"][name] == {"mechanism": "SCRAM-SHA-512", "username": "fileflow"}
    secrets.ensure([{"name": name, "value": {"username": "fileflow.b"}}])
    again = secrets.ensure(wish)
    assert not again["changed"]
    assert again["values"][name]["username"] == "fileflow.b"
    with pytest.raises(secrets.SecretsError, match="username is in two of"):
        secrets.ensure([{"name": name, "value": {"username": "x"}, "defaults": {"username": "y"}}])
