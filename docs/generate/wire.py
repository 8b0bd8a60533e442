"""The wire contract as tables: members, types and limits from the structs, examples from the
golden vectors.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from docs.generate import meanings
from hodhod_wire import frames, limits
from hodhod_wire.close_codes import CloseCode, after_close
from hodhod_wire.events import Body, MediaObject, Notice
from hodhod_wire.limits import ID_MAX
from tests.wire import golden, strategies
from tests.wire.golden import Kind

HEX_DIGITS_PER_LINE: Final = 96
SHAPES: Final = (
    frames.Position,
    frames.Chat,
    frames.OwnMembership,
    frames.Member,
    frames.ChatDelta,
    frames.Titles,
    MediaObject,
)
ALL_STRUCTS: Final[tuple[type[msgspec.Struct], ...]] = (
    *strategies.CLIENT_FRAMES,
    *strategies.SERVER_FRAMES,
    *strategies.EVENTS,
    *strategies.BODIES,
    *SHAPES,
)
_REASON: Final = re.compile(
    r"^(?P<name>[A-Z_]+): Final = .*?(?:  # (?P<reason>.*))?$", re.MULTILINE
)


def _requests() -> str:
    return _structs(strategies.CLIENT_FRAMES, "request", golden.CLIENT)


def _replies() -> str:
    classes = [cls for cls in strategies.SERVER_FRAMES if issubclass(cls, frames.Reply)]
    return _structs(classes, "reply", golden.SERVER)


def _pushes() -> str:
    classes = [cls for cls in strategies.SERVER_FRAMES if not issubclass(cls, frames.Reply)]
    return _structs(classes, "push", golden.SERVER)


def _events() -> str:
    return _structs(strategies.EVENTS, "event", golden.EVENTS)


def _bodies() -> str:
    return _structs(strategies.classes(Body), "body", golden.BODIES)


def _notices() -> str:
    return _structs(strategies.classes(Notice), "notice", golden.BODIES)


def _maps() -> str:
    return _structs(SHAPES, "map", None)


def _limits() -> str:
    rows = ["| limit | value | reason |", "|---|--:|---|"]
    source = Path(limits.__file__).read_text(encoding="utf-8")
    for match in _REASON.finditer(source):
        value = getattr(limits, match["name"])
        shown = "2⁵³−1" if value == ID_MAX else f"{value:,}"
        rows.append(f"| {match['name'].lower()} | {shown} | {match['reason'] or ''} |")
    return "\n".join(rows)


def _close_codes() -> str:
    rows = ["| code | name | what happened | what to do |", "|--:|---|---|---|"]
    for code in CloseCode:
        then = after_close(code).value.replace("_", " ")
        name = code.name.lower()
        rows.append(f"| {code.value} | {name} | {meanings.CLOSE_CODES[code]} | {then} |")
    return "\n".join(rows)


def _structs(classes: Iterable[type[msgspec.Struct]], word: str, kind: Kind | None) -> str:
    return "\n\n".join(_struct(cls, word, kind) for cls in classes)


def _struct(cls: type[msgspec.Struct], word: str, kind: Kind | None) -> str:
    name = name_of(cls)
    heading = f"`{name}`" if kind else name
    explained = " ".join((cls.__doc__ or "").split())
    parts = [f"#### {heading} ({word})", explained, _members(cls, name)]
    if kind is not None:
        vector = next(vector for vector in kind.read() if vector.name == name)
        in_hex = textwrap.fill(vector.msgpack, HEX_DIGITS_PER_LINE)
        parts.append(f"```text\n{vector.json.decode()}\n\n{in_hex}\n```")
    return "\n\n".join(part for part in parts if part)


def name_of(cls: type[msgspec.Struct]) -> str:
    """A struct's tag, or its own name where it has none."""
    tag = cls.__struct_config__.tag
    return tag if isinstance(tag, str) else cls.__name__


def _members(cls: type[msgspec.Struct], name: str) -> str:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    rows = ["| member | type | limits | meaning |", "|---|---|---|---|"]
    for field in info.fields:
        meaning = meanings.MEMBERS.get(f"{name}.{field.name}") or meanings.MEMBERS[field.name]
        limit = ", ".join(part for part in (_limit(field.type), _absent(field)) if part)
        rows.append(f"| `{field.name}` | {_type(field.type)} | {limit} | {meaning} |")
    return "\n".join(rows) if info.fields else ""


def _absent(field: inspect.Field) -> str:
    """What it means that the member is left out."""
    if field.required:
        return ""
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "optional" if value is None else f"absent: `{msgspec.json.encode(value).decode()}`"


def _bare(info: inspect.Type) -> inspect.Type:
    """The type without the possibility of `None`."""
    if isinstance(info, inspect.UnionType):
        others = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
        return others[0] if len(others) == 1 else info
    return info


def _type(info: inspect.Type) -> str:
    match _bare(info):
        case inspect.ListType(item_type=item):
            return f"list of {_type(item)}"
        case inspect.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()}-map)"
        case inspect.UnionType():
            return "[body](#bodies)"
        case inspect.RawType():
            return "[event](#events)"
        case bare:
            return _SCALARS[type(bare)]


_SCALARS: Final[Mapping[type[inspect.Type], str]] = {
    inspect.IntType: "integer",
    inspect.StrType: "text",
    inspect.BoolType: "boolean",
    inspect.FloatType: "number",
}


def _limit(info: inspect.Type) -> str:
    match _bare(info):
        case inspect.IntType(ge=low, le=high):
            return _range(low, high)
        case inspect.FloatType(ge=low):
            return f"≥ {low:g}" if low is not None else ""
        case inspect.StrType() as text:
            length = _range(text.min_length, text.max_length)
            letters = ", letters, digits, `-`, `_`" if text.pattern else ""
            return f"{length} characters{letters}" if length else ""
        case inspect.ListType(max_length=most) if most is not None:
            return f"≤ {most:,} items"
        case _:
            return ""


def _range(low: Any, high: Any) -> str:
    if high is None:
        return "" if low is None else f"≥ {low}"
    shown = "2⁵³−1" if high == ID_MAX else f"{high:,}"
    return f"≤ {shown}" if low is None else f"{low} … {shown}"


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "wire-requests": _requests,
    "wire-replies": _replies,
    "wire-pushes": _pushes,
    "wire-events": _events,
    "wire-bodies": _bodies,
    "wire-notices": _notices,
    "wire-maps": _maps,
    "wire-limits": _limits,
    "wire-close-codes": _close_codes,
}
