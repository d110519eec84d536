"""The steps that Redis runs for us as one: nothing else happens on the server meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["DELETE", "READ", "SWAP", "Command", "Script"]

Command: TypeAlias = Sequence[bytes | str | int]
"""Name and arguments of a command."""


@dataclass(frozen=True)
class Script:
    """A Lua script.

    Attributes:
        source: the program.
        digest: its SHA-1, by which Redis knows it once it has run.
    """

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    def call(self, keys: Sequence[bytes], *arguments: bytes | int) -> Command:
        """The command that runs it on `keys`."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)


# All ranges of one version: head and metadata of the record, its length, and the ranges.
READ = Script("""
local head = redis.call('GETRANGE', KEYS[1], 0, 31)
if head == '' then return false end
if #head < 32 or string.sub(head, 1, 4) ~= 'asz1' then return {head, #head} end
local a, b, c, d = string.byte(head, 29, 32)
local offset = 32 + ((a * 256 + b) * 256 + c) * 256 + d
local length = redis.call('STRLEN', KEYS[1])
local answer = {redis.call('GETRANGE', KEYS[1], 0, offset - 1), length}
if ARGV[1] ~= '' and ARGV[1] ~= string.sub(head, 5, 20) then return answer end
for i = 2, #ARGV, 2 do
  local start, stop = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if start < 0 then start = math.max(0, length - offset + start) end
  answer[#answer + 1] = redis.call('GETRANGE', KEYS[1], offset + start, stop < 0 and -1 or offset + stop - 1)
end
return answer
""")

# The new record was uploaded under a name of its own: an argument of that size would be copied twice on its way.
SWAP = Script("""
local found = redis.call('GETRANGE', KEYS[1], 4, 19)
if found ~= ARGV[1] then redis.call('UNLINK', KEYS[2]) return found end
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('PERSIST', KEYS[1])
return 1
""")

DELETE = Script("""
local found = redis.call('GETRANGE', KEYS[1], 4, 19)
if found ~= ARGV[1] then return found end
redis.call('UNLINK', KEYS[1])
return 1
""")
