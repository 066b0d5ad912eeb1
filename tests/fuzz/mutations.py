"""Damage to the bytes of a file: what disks, networks and strangers do to it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_HEAD_BYTES = 4096  # half of the damage goes there, where formats keep what they are made of
_EXTREMES = (0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_TOKEN = re.compile(rb'-?\d+(?:\.\d+)?|"[^"]{0,80}"|null|true|false')
_VALUES = (b"null", b"[]", b"{}", b'""', b"-1", b"1e999", b"NaN", b"1.5", b"true", b"9" * 30, b"2147483648",
           b"[[[[1]]]]", b'{"a": 1}', b'"\\ud800"', b'"' + b"x" * 5000 + b'"')


def _place(content: bytearray, source: random.Random) -> int:
    end = len(content) if source.random() < 0.5 else min(len(content), _HEAD_BYTES)
    return source.randrange(max(1, end))


def _flip_bits(content: bytearray, source: random.Random) -> None:
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        content[_place(content, source)] ^= 1 << source.randrange(8)


def _truncate(content: bytearray, source: random.Random) -> None:
    del content[source.randrange(len(content)):]


def _swap_blocks(content: bytearray, source: random.Random) -> None:
    size = source.choice((1, 4, 8, 64, 512))
    first, second = (_place(content, source) for _ in range(2))
    a, b = content[first:first + size], content[second:second + size]
    content[first:first + size], content[second:second + size] = b, a


def _insert(content: bytearray, source: random.Random) -> None:
    size = source.choice((1, 4, 8, 100, 5000))
    filling = bytes(size) if source.random() < 0.3 else source.randbytes(size)
    place = _place(content, source)
    content[place:place] = filling


def _repeat_block(content: bytearray, source: random.Random) -> None:
    place, size = _place(content, source), source.choice((4, 8, 64, 512))
    content[place:place] = content[place:place + size] * source.choice((1, 2, 50))


def _set_size(content: bytearray, source: random.Random) -> None:
    """Puts an extreme number where a length, a count or an offset may stand."""
    width = source.choice((1, 2, 4, 4, 8, 8))
    place = _place(content, source) // source.choice((1, width)) * source.choice((1, width)) % len(content)
    number = (source.choice(_EXTREMES) + source.choice((0, 0, -1, 1))) % 2**(8 * width)
    content[place:place + width] = number.to_bytes(width, source.choice(("little", "big")))


def _replace_token(content: bytearray, source: random.Random) -> None:
    """Replaces a number, a string or a constant of a text by another value."""
    tokens = list(_TOKEN.finditer(content))
    if not tokens:
        _set_size(content, source)
        return
    token = source.choice(tokens)
    content[token.start():token.end()] = source.choice(_VALUES)


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits, _truncate, _swap_blocks, _insert, _repeat_block, _set_size, _replace_token)


def mutated(content: bytes, source: random.Random) -> bytes:
    """A damaged copy of the bytes of a file: one kind of damage, or two or three."""
    changed = bytearray(content)
    for _ in range(source.choice((1, 1, 2, 3))):
        if changed:
            source.choice(MUTATIONS)(changed, source)
    return bytes(changed)
