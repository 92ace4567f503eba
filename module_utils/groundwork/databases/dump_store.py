"""Dumps in their bucket: parts stream in and out, and the manifest, written last, makes them a dump."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..aws_client import AwsError, error_code, explain, open_client
from .dumps import MANIFEST, PREFIX, Manifest, Part, parse_manifest
from .model import DatabaseError
from .pipes import CHUNK, Reader, Writer

T = TypeVar("T")

#: S3 takes 10,000 parts of an upload: 64 MiB each are 640 GiB. So many of them are held in memory.
UPLOAD_CHUNK, UPLOAD_CHUNKS = 64 << 20, 2
ABSENT = frozenset({"NoSuchKey", "404"})


class DumpStore:
    """The bucket."""

    def __init__(self, bucket: str, kms_key_id: str, *, region: str | None = None, client: Any = None) -> None:
        self.bucket = bucket
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
        self._s3 = client if client is not None else open_client("s3", region)

    def where(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _ask(self, doing: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (AwsError, DatabaseError):
            raise
        except Exception as error:
            if error_code(error) == "NoSuchBucket":
                raise DatabaseError(
                    f"{doing}: the bucket {self.bucket} does not exist. Remedy: apply component 50-shared-rds."
                ) from error
            raise AwsError(explain(error, doing)) from error

    def keys(self, service: str = "", engine: str = "") -> list[str]:
        """Dumps of a service, or of all, the oldest first."""
        prefix = "/".join(filter(None, [PREFIX, service, engine])) + "/"

        def call() -> list[str]:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            names = [str(item["Key"]) for page in pages for item in page.get("Contents", ())]
            found = [name.removesuffix(f"/{MANIFEST}") for name in names if name.endswith(f"/{MANIFEST}")]
            return sorted(found, key=lambda name: name.rsplit("/", 1)[-1])

        return self._ask(f"listing {self.where(prefix)}", call)

    def manifest(self, key: str) -> Manifest:
        name = f"{key}/{MANIFEST}"

        def call() -> bytes:
            try:
                body: bytes = self._s3.get_object(Bucket=self.bucket, Key=name)["Body"].read()
                return body
            except Exception as error:
                if error_code(error) in ABSENT:
                    raise DatabaseError(
                        f"{self.where(key)} is no dump, or one that was never finished. Remedy: name one that state=listed says."
                    ) from error
                raise

        return parse_manifest(self._ask(f"reading {self.where(name)}", call), self.where(name))

    def put(self, name: str, key: str, reader: Reader) -> Part:
        """Uploads what `reader` reads; when that fails, so does the upload, and nothing is kept of it."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(
            multipart_threshold=UPLOAD_CHUNK, multipart_chunksize=UPLOAD_CHUNK, max_concurrency=UPLOAD_CHUNKS
        )
        config.max_in_memory_upload_chunks = UPLOAD_CHUNKS
        self._ask(
            f"uploading {self.where(key)}",
            lambda: self._s3.upload_fileobj(reader, self.bucket, key, ExtraArgs=self._encryption, Config=config),
        )
        return Part(name, key, reader.size, reader.sha256)

    def finish(self, key: str, manifest: Manifest) -> None:
        name = f"{key}/{MANIFEST}"
        self._ask(
            f"writing {self.where(name)}",
            lambda: self._s3.put_object(
                Bucket=self.bucket,
                Key=name,
                Body=manifest.as_json(),
                ContentType="application/json",
                **self._encryption,
            ),
        )

    def get(self, part: Part, writer: Writer) -> None:
        """Reads a part into `writer` and compares its checksum before the writer's program may end well."""

        def call() -> None:
            body = self._s3.get_object(Bucket=self.bucket, Key=part.key)["Body"]
            while data := body.read(CHUNK):
                writer.write(data)
            if (writer.size, writer.sha256) != (part.size, part.sha256):
                raise DatabaseError(
                    f"{self.where(part.key)} has {writer.size} bytes with SHA-256 {writer.sha256}, its manifest says "
                    f"{part.size} and {part.sha256}: it was changed or is torn. Remedy: take an older version of the "
                    "object, or another dump."
                )
            writer.finish()

        self._ask(f"reading {self.where(part.key)}", call)
