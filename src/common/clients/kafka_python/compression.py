"""Kafka's four compressions undone, within a bound: a few kilobytes of a topic may be gigabytes when unpacked."""

from __future__ import annotations

import io
import zlib

import lz4.frame
import snappy
import zstandard

MAX_UNPACKED_BYTES = 128 * 1024 * 1024
"""Of a batch. Twice what a dead letter may have; beyond it the process would be ended for its memory."""
NOT_UNPACKED = (
    ValueError, IndexError, EOFError, RuntimeError, zlib.error, zstandard.ZstdError, snappy.UncompressError,
)  # fmt: skip
"""What the libraries raise for content that is not theirs; lz4's is a plain RuntimeError."""
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_XERIAL_MAGIC, _XERIAL_HEADER_BYTES = b"\x82SNAPPY\x00", 16
_LZ4_MAX_RATIO = 255


class TooLargeError(Exception):
    """Whoever sent this meant harm, or made a mistake: it is not even unpacked to be looked at."""

    def __init__(self, packed: int) -> None:
        super().__init__(
            f"a batch of {packed} bytes is more than {MAX_UNPACKED_BYTES} when unpacked, which no reader here takes"
        )


def unpacked(codec: int, packed: memoryview) -> bytes:
    """The bytes that were packed. ``codec`` is the number that a batch's attributes give.

    Raises:
        TooLargeError: they are more than :data:`MAX_UNPACKED_BYTES`.
        ValueError, RuntimeError …: one of :data:`NOT_UNPACKED`: they were not packed so.
    """
    if codec == _LZ4:
        return _lz4(packed)
    if codec == _ZSTD:
        return _zstd(packed)
    if codec == _GZIP:
        return _gzip(packed)
    if codec == _SNAPPY:
        return _snappy(bytes(packed))
    raise ValueError(f"Kafka has no compression {codec}")


def _lz4(packed: memoryview) -> bytes:
    if len(packed) * _LZ4_MAX_RATIO <= MAX_UNPACKED_BYTES:
        try:
            small: bytes = lz4.frame.decompress(packed)
        except MemoryError as error:  # it cannot be so much: the frame only claims it
            raise TooLargeError(len(packed)) from error
        return small
    frame = lz4.frame.LZ4FrameDecompressor()
    unpacked: bytes = frame.decompress(packed, max_length=MAX_UNPACKED_BYTES)
    if not frame.eof:
        if len(unpacked) == MAX_UNPACKED_BYTES:
            raise TooLargeError(len(packed))
        raise EOFError("the lz4 frame is cut")
    return unpacked


def _zstd(packed: memoryview) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        unpacked: bytes = reader.read(MAX_UNPACKED_BYTES + 1)
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise TooLargeError(len(packed))
    return unpacked


def _gzip(packed: memoryview) -> bytes:
    unpacked = io.BytesIO()
    rest: bytes | memoryview = packed
    while rest:  # of several members, as Java's reader takes them
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        unpacked.write(member.decompress(rest, MAX_UNPACKED_BYTES + 1 - unpacked.tell()))
        if unpacked.tell() > MAX_UNPACKED_BYTES:
            raise TooLargeError(len(packed))
        if not member.eof:
            raise EOFError("the gzip member is cut")
        rest = member.unused_data
    return unpacked.getvalue()


def _snappy(packed: bytes) -> bytes:
    """Java writes blocks, each with its size before it; librdkafka one block alone."""
    blocks = [packed]
    if packed.startswith(_XERIAL_MAGIC):
        blocks, at = [], _XERIAL_HEADER_BYTES
        while at < len(packed):
            size = int.from_bytes(packed[at : at + 4], "big")
            blocks.append(packed[at + 4 : at + 4 + size])
            at += 4 + size
        if at != len(packed):
            raise EOFError("the last snappy block is cut")
    if sum(map(_snappy_size, blocks)) > MAX_UNPACKED_BYTES:
        raise TooLargeError(len(packed))
    return b"".join(map(snappy.decompress, blocks))


def _snappy_size(block: bytes) -> int:
    """A block begins with how many bytes it is unpacked, seven bits a byte, the lowest first."""
    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size
        shift += 7
    raise ValueError("no snappy block")
