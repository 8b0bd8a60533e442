"""Hypothesis strategies for the wire structs, built from their own annotations.

A new frame or member is covered the moment it exists; an annotation that no rule here reads fails
loudly. Members that hold encoded events get encoded events, in the codec that is asked for.
"""

from __future__ import annotations

import functools
from typing import Any, Final, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from hodhod_wire.codec import Codec
from hodhod_wire.events import Content, Event
from hodhod_wire.frames import ClientFrame, ServerFrame

TEXT_CHARS: Final = 40  # longer texts have their own tests; here they would only cost time
LIST_ITEMS: Final = 3
_LETTERS: Final = st.characters(codec="utf-8")


def classes(union: Any) -> tuple[type[msgspec.Struct], ...]:
    """The members of a union of structs, or the one struct that it (still) is."""
    return get_args(union) or (union,)


CLIENT_FRAMES: Final = classes(ClientFrame)
SERVER_FRAMES: Final = classes(ServerFrame)
EVENTS: Final = classes(Event)
BODIES: Final = classes(Content)


@functools.cache
def values(cls: type[msgspec.Struct], codec: Codec) -> st.SearchStrategy[Any]:
    """Every value of a struct that the contract allows."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return _struct(info, codec)


def _struct(info: inspect.StructType, codec: Codec) -> st.SearchStrategy[Any]:
    members = {field.name: _of(field.type, codec) for field in info.fields}
    return st.builds(info.cls, **members)


def _of(info: inspect.Type, codec: Codec) -> st.SearchStrategy[Any]:
    match info:
        case inspect.Metadata():
            return _of(info.type, codec)
        case inspect.ListType():
            least = info.min_length or 0
            return st.lists(_of(info.item_type, codec), min_size=least, max_size=LIST_ITEMS)
        case inspect.RawType():
            return st.one_of([values(event, codec) for event in EVENTS]).map(
                lambda event: msgspec.Raw(codec.encode(event))
            )
        case inspect.UnionType():
            return st.one_of([_of(member, codec) for member in info.types])
        case inspect.StructType():
            return _struct(info, codec)
        case _:
            return _scalar(info)


def _scalar(info: inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(info.ge, info.le)
        case inspect.FloatType():
            return st.floats(min_value=info.ge, allow_nan=False, allow_infinity=False)
        case inspect.StrType():
            return _text(info)
        case _:
            raise TypeError(f"no strategy for {info}: add a rule here")


def _text(info: inspect.StrType) -> st.SearchStrategy[str]:
    longest = min(info.max_length or TEXT_CHARS, TEXT_CHARS)
    shortest = info.min_length or 0
    if info.pattern is not None:
        letters = info.pattern.removesuffix(r"+\Z")
        assert letters != info.pattern, "this rule reads one repeated class of letters"
        return st.from_regex(f"{letters}{{{shortest},{longest}}}", fullmatch=True)
    return st.text(_LETTERS, min_size=shortest, max_size=longest)
