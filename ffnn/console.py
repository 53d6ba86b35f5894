"""The door to the terminal for tables and other layouts: Rich's console, which shows text and obeys none.

Rich itself passes escape sequences in a text on to the terminal, and takes `[/b]` and `:cat:` in a name for its own.
"""

from collections.abc import Iterable
from typing import Any

import rich.console
from rich.segment import Segment
from rich.text import Text

from ffnn.words import visible


class Console(rich.console.Console):
    """As Rich's; colours and movements of its own stay, those that come in a text are made visible.

    With `markup`, `[bold]` in a text means something: only for a console whose callers `escape` every name. The other
    options are Rich's own.
    """

    def __init__(self, *, markup: bool = False, **options: Any) -> None:
        super().__init__(markup=markup, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Markup as text, before its width is measured."""
        return super().render_str(visible(text, keep="\n\t"), **options)

    def render(self, renderable: Any, options: rich.console.ConsoleOptions | None = None) -> Iterable[Segment]:
        """Anything as pieces of text."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else piece._replace(text=visible(piece.text, keep="\n"))
