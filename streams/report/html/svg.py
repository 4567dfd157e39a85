"""SVG elements as text that is safe to show: whatever goes into one is escaped here."""

from markupsafe import Markup

Value = str | float | None


def tag(name: str, *content: str, **attributes: Value) -> Markup:
    """An element. Attributes that are None are left out; `class_` is class, and `text_anchor` is text-anchor."""
    shown = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _short(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, shown, Markup("").join(content))


def picture(width: float, height: float, says: str, *content: str, class_: str = "plot") -> Markup:
    """A drawing of this size; `says` is what who cannot see it is told."""
    return tag(
        "svg", *content, viewBox=f"0 0 {_short(width)} {_short(height)}", role="img", aria_label=says, class_=class_
    )


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """A line of text whose baseline is at y."""
    return tag("text", content, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def path(points: list[tuple[float, float]], **attributes: Value) -> Markup:
    """A line through points."""
    return tag("path", d="M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points), **attributes)


def hint(content: str) -> Markup:
    """What a pointer that rests on the element around it is shown."""
    return tag("title", content)


def _short(value: Value) -> str:
    """A tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, int | float) else str(value)
