"""What can be refused of an upload; see `errors`."""

from __future__ import annotations

from hodhod_server.domain.errors import HodhodError
from hodhod_wire.errors import ErrorCode


class UploadNotFound(HodhodError):
    """No upload of the caller's has this id."""

    code = ErrorCode.UPLOAD_NOT_FOUND


class UploadExpired(HodhodError):
    """The upload was not finished in time and its bytes are gone."""

    code = ErrorCode.UPLOAD_EXPIRED


class UploadBusy(HodhodError):
    """Another request is writing this upload and did not let go in time."""

    code = ErrorCode.UPLOAD_BUSY


class OffsetMismatch(HodhodError):
    """`Upload-Offset` is not where the upload stands: ask with HEAD and go on from there."""

    code = ErrorCode.OFFSET_MISMATCH


class ChecksumMismatch(HodhodError):
    """`Upload-Checksum` differs from the piece's. Nothing of it was taken: send it again."""

    code = ErrorCode.CHECKSUM_MISMATCH


class FileTypeRefused(HodhodError):
    """The operator does not take files of this type (`[media] refused_types`)."""

    code = ErrorCode.FILE_TYPE_REFUSED


class TusVersionUnsupported(HodhodError):
    """`Tus-Resumable` is missing or not 1.0.0 (tus 1.0.0, section Tus-Resumable)."""

    code = ErrorCode.TUS_VERSION_UNSUPPORTED


class QuotaExceeded(HodhodError):
    """All of the caller's uploads together would be over `user_bytes_max` bytes."""

    code = ErrorCode.QUOTA_EXCEEDED


class StorageFull(HodhodError):
    """The disk cannot take the upload. What has arrived is kept."""

    code = ErrorCode.STORAGE_FULL
