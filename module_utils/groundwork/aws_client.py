"""One way to open an AWS client, and one place that says in an operator's words why AWS refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

MISSING: str | None = None
try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
except ImportError as import_error:
    MISSING = import_error.name

T = TypeVar("T")
R = TypeVar("R")

#: Calls for single objects run side by side; more than this only meets the service's request rate.
PARALLEL_CALLS = 8

CREDENTIAL_ERRORS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
THROTTLE_ERRORS = frozenset({"Throttling", "ThrottlingException", "TooManyUpdates", "RequestLimitExceeded"})


class AwsError(Exception):
    """AWS refused or could not be asked. The text says what, where, why and the remedy."""


class Refusal(Exception):
    """An error that a bulk call reports for one item, in the shape of a client's own error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": code, "Message": message}}


def open_client(service: str, region: str | None = None) -> Any:
    """A boto3 client that takes endpoint, region and credentials from the environment, as every AWS tool does."""
    if MISSING is not None:
        raise AwsError(
            f"Python package '{MISSING}' is missing for {service}: install boto3 into the Python "
            "that runs this module (ansible_python_interpreter)."
        )
    config = Config(
        retries={"mode": "standard", "max_attempts": 8},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=PARALLEL_CALLS + 2,
    )
    # The name of the service is not a literal here, so the stubs' overloads cannot say which client it is.
    connect: Callable[..., Any] = boto3.client
    try:
        return connect(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise AwsError(explain(error, f"opening a client of {service}")) from error


def error_code(error: BaseException) -> str:
    """The service's error code, or "" for an error that did not come from the service."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return ""


def explain(error: BaseException, doing: str) -> str:
    """What happened, why, and what to do about it; never the request's body."""
    code = error_code(error)
    kind = type(error).__name__
    text = " ".join(str(error).split())
    if kind in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"}:
        why, remedy = "no usable AWS credentials were found", "log in (aws sso login) or set AWS_PROFILE"
    elif kind == "ProfileNotFound":
        why, remedy = text, "set AWS_PROFILE to a profile of ~/.aws/config"
    elif kind == "NoRegionError":
        why, remedy = "no region is set", "set AWS_REGION or the module's option region"
    elif kind in {"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"}:
        why, remedy = text, "check the network, AWS_ENDPOINT_URL and the region's name"
    elif code in CREDENTIAL_ERRORS:
        why, remedy = f"AWS refused the credentials ({code})", "log in again; check the account and the clock"
    elif code in {"DecryptionFailure", "EncryptionFailure", "InvalidKeyId"} or (
        code.startswith("AccessDenied") and "KMS" in text.upper()
    ):
        why = f"the KMS key cannot be used ({code}: {_message(error)})"
        remedy = "check that the key is enabled and that this role may kms:Decrypt and kms:GenerateDataKey with it"
    elif code.startswith("AccessDenied"):
        why, remedy = f"access denied ({_message(error)})", "add the action to the role that runs this"
    elif code in THROTTLE_ERRORS:
        why, remedy = f"AWS still throttles after every retry ({code})", "run it again in a minute"
    elif code:
        why, remedy = f"{code}: {_message(error)}", ""
    else:
        why, remedy = f"{kind}: {text}", ""
    return f"{doing}: {why}." + (f" Remedy: {remedy}." if remedy else "")


def _message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    message = str(response.get("Error", {}).get("Message", "")) if isinstance(response, dict) else str(error)
    return " ".join(message.split()).rstrip(".")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`, in order."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def side_by_side(call: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`call` of every item, a few at a time, results in the items' order. boto3 clients may be shared by threads."""
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(PARALLEL_CALLS, len(items))) as pool:
        return list(pool.map(call, items))
