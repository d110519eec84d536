"""The engine: bounded streams of chunk jobs, under every read, write, stream, copy and map."""

from __future__ import annotations

from .chunks import Chunk, ChunkStream
from .position import Progress
from .report import FailedItem, WriteReport
from .slices import Slice, SliceStream

__all__ = ["Chunk", "ChunkStream", "FailedItem", "Progress", "Slice", "SliceStream", "WriteReport"]
