"""The tiny markup of reports: code, bold words and links in a line of text, and values in which nothing is markup.

A name from a file may have any sign; written by `literal` or `code` none of them means anything.
"""

import re
from typing import Literal, NamedTuple


class Span(NamedTuple):
    """A piece of a line of text; `target` is where a link leads."""

    kind: Literal["text", "code", "bold", "link"]
    text: str
    target: str = ""


_MARKUP = re.compile(
    r"\\(?P<escaped>[\\`*\[\]])|`(?P<code>[^`]+)`|\*\*(?P<bold>(?:[^*\\]|\\.)+)\*\*"
    r"|\[(?P<link>(?:[^\]\\]|\\.)+)\]\((?P<target>[^)\s]+)\)"
)
_SAFE_TARGET = re.compile(r"https?://|#|(?![a-zA-Z][a-zA-Z0-9+.-]*:|//)")


def spans(text: str) -> list[Span]:
    """The pieces of a text in the tiny markup: `code`, **bold**, [words](target), a backslash before a literal sign.

    A link leads to http, https, an anchor or a relative path; any other stays text. Nothing nests.

    Examples
    --------
    >>> spans("**Adam** beats `sgd`")
    [Span(kind='bold', text='Adam', target=''), Span(kind='text', text=' beats ', target=''), \
Span(kind='code', text='sgd', target='')]
    >>> spans("[a](javascript:alert(1))")[0].kind
    'text'
    """
    pieces: list[Span] = []
    plain, end = "", 0
    for match in _MARKUP.finditer(text):
        plain += text[end : match.start()]
        end = match.end()
        span = _span(match)
        if span.kind == "text":
            plain += span.text
            continue
        pieces += [Span("text", plain), span]
        plain = ""
    return [piece for piece in (*pieces, Span("text", plain + text[end:])) if piece.text]


def _span(match: re.Match[str]) -> Span:
    if match["escaped"]:
        return Span("text", match["escaped"])
    if match["code"]:
        return Span("code", match["code"])
    if match["bold"]:
        return Span("bold", _unescaped(match["bold"]))
    if _SAFE_TARGET.match(match["target"]):
        return Span("link", _unescaped(match["link"]), match["target"])
    return Span("text", match[0])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([\\`*\[\]])", r"\1", text)


def literal(text: object) -> str:
    """A value, such as a run's name, written so that none of its signs is taken for markup.

    Examples
    --------
    >>> spans(literal("a**b** [c](d)"))
    [Span(kind='text', text='a**b** [c](d)', target='')]
    """
    return re.sub(r"([\\`*\[\]])", r"\\\1", str(text))


def code(text: object) -> str:
    """A value in the markup's `code`; backticks in it become apostrophes, for nothing can escape them there."""
    return f"`{str(text).replace('`', chr(39)) or ' '}`"
