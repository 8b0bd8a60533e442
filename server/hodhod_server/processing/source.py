"""A file by its descriptor, with a position of its own: what decoders read from and write to.

Not the position of the descriptor: several readers of one file do not disturb one another.
"""

from __future__ import annotations

import io
import os

from typing_extensions import Buffer


class DescriptorFile(io.RawIOBase):
    """Seekable; the descriptor stays open when this is closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._position = 0

    def anew(self) -> DescriptorFile:
        """The same file, read from its beginning."""
        return DescriptorFile(self._descriptor)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        length = os.preadv(self._descriptor, [buffer], self._position)
        self._position += length
        return length

    def write(self, data: Buffer) -> int:
        length = os.pwrite(self._descriptor, data, self._position)
        self._position += length
        return length

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}
        position = starts[whence] + offset
        if position < 0:
            raise OSError("before the beginning")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes at `offset`, without moving."""
        return os.pread(self._descriptor, length, offset)
