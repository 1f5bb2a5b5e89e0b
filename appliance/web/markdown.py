"""Render Markdown of the manual and of model cards as HTML; raw HTML in it is shown as text."""

from functools import cache

from markdown_it import MarkdownIt

_LINK_SCHEMES = ("http://", "https://", "#")


def render_markdown(text: str) -> str:
    """Return HTML; links lead only to http, https, and places on the same page, and pictures are omitted."""
    html: str = _renderer().render(text)
    return html


@cache
def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")

    def is_allowed(url: str) -> bool:
        # Topics of the manual refer to each other by file name.
        return url.startswith(_LINK_SCHEMES) or ":" not in url

    markdown.validateLink = is_allowed  # type: ignore[method-assign] # the documented way to restrict links
    return markdown
