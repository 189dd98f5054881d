"""HTML from Python values. Text is escaped by being text: only `tag` makes markup."""

from html import escape


class Html(str):
    """Markup that is already safe."""

    __slots__ = ()


#: Elements that have no content and no end tag, as far as we use them.
VOID = frozenset({"link", "meta"})


def tag(name: str, /, *children: str | None, **attributes: str | int | float | None) -> Html:
    """An element. `class_` stands for class and `_` for `-` in attribute names; None leaves one out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    content = "".join(_safe(child) for child in children if child is not None)
    return Html(f"<{name}{written}>{content}</{name}>")


def joined(*parts: str) -> Html:
    """Elements one after another."""
    return Html("".join(_safe(part) for part in parts))


def _safe(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)
