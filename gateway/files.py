"""The file store that the settings name: the data folder, or a bucket."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from assets.documents.store import DiskFiles, FileStore, StoreAway

if TYPE_CHECKING:
    from assets.documents.s3 import Bucket, S3Files
    from gateway.settings import Settings

log = logging.getLogger(__name__)


def file_store(settings: Settings) -> FileStore:
    """Return the store of contents."""
    return bucket_files(settings) or DiskFiles(settings.data)


def bucket_files(settings: Settings) -> S3Files | None:
    """Return the bucket, None where files lie in the data folder."""
    if settings.files_s3_bucket is None:
        return None
    from assets.documents.s3 import Bucket

    assert settings.files_s3_access_key is not None
    assert settings.files_s3_secret_key is not None
    return _opened(
        Bucket(
            settings.files_s3_bucket,
            settings.files_s3_region,
            settings.files_s3_access_key,
            settings.files_s3_secret_key,
            settings.files_s3_endpoint,
            settings.files_s3_path_style,
        )
    )


def check_store(settings: Settings) -> str | None:
    """Return what keeps a role from starting: a bucket that is not there, or keys that do not open it.

    A store that does not answer now may do so later, and machines are watched without their papers.
    """
    bucket = bucket_files(settings)
    if bucket is None:
        return None
    try:
        bucket.check()
    except StoreAway as error:
        if error.params.get("reason") != "away":
            return f"FOREWARN_FILES_S3_BUCKET: {error}"
        log.error("documents are not available: %s", error)
    return None


@cache
def _opened(bucket: Bucket) -> S3Files:
    """One client for all: it keeps its connections."""
    from assets.documents.s3 import S3Files

    return S3Files(bucket)
