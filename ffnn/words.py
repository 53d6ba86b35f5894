"""Text that leaves ffnn: when a noun takes its s, and how signs that no one sees are made visible.

A name comes out of a file that somebody else may have written: what a terminal or a page would obey is shown instead.
"""

import re
from collections.abc import Sequence

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: a terminal obeys ESC, and Typst and XML refuse most of them
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"  # the order of letters, and ends of lines
    "\xad\u180e\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\ufffe\uffff"  # signs without width or meaning
    "\U000e0000-\U000e007f"  # tags, a copy of ASCII that nobody sees
    "\ud800-\udfff"  # halves of characters, from names that are not UTF-8
    "]"
)
"""Not the two joiners, U+200C and U+200D: Persian, Hindi and families of people are written with them."""


def visible(text: object, keep: str = "") -> str:
    r"""A text whose controls and other unseen signs are written as Python writes them: `\x1b`, `\u202e`.

    Everything that leaves ffnn goes through here: terminal, page, PDF, Markdown, figures, tables, W&B. What is visible
    already stays as it is, so that it does no harm to do it twice. The signs of `keep` stay, such as "\n" where a text
    has lines of its own.

    Examples
    --------
    >>> print(visible("cat\x1b[2J\u202e\n"))
    cat\x1b[2J\u202e\n
    >>> visible("two\nlines", keep="\n") == "two\nlines"
    True
    """
    return _UNSEEN.sub(lambda sign: sign[0] if sign[0] in keep else repr(sign[0])[1:-1], str(text))


def count_of(number: int, noun: str) -> str:
    """A number of things; only for nouns that take an s, others are written out where they stand.

    Examples
    --------
    >>> count_of(1, "seed"), count_of(2, "seed"), count_of(1500, "step")
    ('1 seed', '2 seeds', '1,500 steps')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def first_of(names: Sequence[str], most: int) -> str:
    """Names in one line, of many the first ones.

    Examples
    --------
    >>> first_of(["a", "b", "c"], most=2), first_of(["a", "b"], most=2)
    ('a, b and 1 more', 'a, b')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
