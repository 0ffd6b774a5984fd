"""SVG elements as text, and what a finished plot is.

Colours are classes (``s1``, ``rule``, ``muted`` ...) that ``plot.css`` gives values to, for a light and a
dark page; nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with what a screen reader says in its place."""

    name: str
    """Plain name, for file names and links."""
    title: str
    description: str
    """What is to be seen, in a sentence or two."""
    body: str
    """SVG elements."""
    width: int
    height: int

    @property
    def svg(self) -> str:
        """The drawing as an element of a page."""
        return self._element(f' style="min-width: {round(self.width * LEAST)}px"')

    def standalone(self, style: str) -> str:
        """The drawing as a file, with the style sheet that the page would give it."""
        return self._element(' xmlns="http://www.w3.org/2000/svg"', f"<style>{style}</style>") + "\n"

    def _element(self, more: str, style: str = "") -> str:
        title, description = f"{self.name}-title", f"{self.name}-desc"
        return (
            f'<svg{more} class="plot" role="img" aria-labelledby="{title} {description}"'
            f' viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}">'
            f'<title id="{title}">{escape(self.title)}</title>'
            f'<desc id="{description}">{escape(self.description)}</desc>{style}{self.body}</svg>'
        )


def element(tag: str, *children: str, **attributes: object) -> str:
    """One element; ``class_`` is written ``class`` and ``stroke_width`` ``stroke-width``.

    >>> element("circle", cx=1.0, cy=2.25, r=3, class_="s1 fill")
    '<circle cx="1" cy="2.25" r="3" class="s1 fill"/>'
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items()
    )
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def text(x: float, y: float, words: str, *, anchor: Anchor = "start", class_: str = "") -> str:
    """Words at a place, centred on it from top to bottom."""
    return element(
        "text", escape(words, quote=False), x=x, y=y, text_anchor=anchor, dy="0.35em", class_=class_ or "ink"
    )


def shortened(words: str, width: float) -> str:
    """The words, cut to what ``width`` holds, as text at ``CHARACTER`` a character.

    >>> shortened("gated·mlp·gs2", 1000), shortened("gated·mlp·gs2", 60)
    ('gated·mlp·gs2', 'gated·m…')
    """
    most = max(int(width / CHARACTER), 4)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False) -> str:
    """A line through points."""
    places = " L".join(f"{_value(x)} {_value(y)}" for x, y in points)
    return element("path", d=f"M{places}{' Z' if closed else ''}", class_=class_)


def width_of(texts: Sequence[str]) -> float:
    """About the width of the longest of the texts."""
    return max((len(each) for each in texts), default=0) * CHARACTER


LEAST = 0.8
"""Share of its width below which a plot on a page scrolls instead of shrinking: its text stays legible."""

CHARACTER = 7.2
"""Mean width of a character at the plots' 12 px, in the widest of the common systems' fonts."""


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(str(value))
