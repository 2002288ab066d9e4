"""Pages that are written to be read as files in a clone, turned into pages of the site.

Links to other files of the clone lead to the page that shows the file or, where none does, become
plain text.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Pages of the site that lie outside docs/ in a clone.
OUTSIDE = {
    "readme.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "architecture.md": "ARCHITECTURE.md",
    "export.md": "export/README.md",
}
_LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]*)?\)")
_ROW = re.compile(r"^\|.*", re.MULTILINE)
_CODE = re.compile(r"`[^`]*`")


def turn(markdown: str, uri: str) -> str:
    """Return the text of a page of the site from that of the file in the clone."""
    # In a row of a table, a bar in code needs a backslash in a clone, and must have none here.
    markdown = _ROW.sub(
        lambda row: _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown
    )
    # Interactive examples have a lexer of their own.
    markdown = re.sub(r"^```python\n>>> ", "```pycon\n>>> ", markdown, flags=re.MULTILINE)
    return turn_links(markdown, uri)


def turn_links(markdown: str, uri: str) -> str:
    """Return a page with the links that it has in a clone turned into those of the site."""
    pages = {origin: page for page, origin in OUTSIDE.items()}
    here = posixpath.dirname(OUTSIDE.get(uri, f"docs/{uri}"))

    def turned(link: re.Match[str]) -> str:
        mark, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        origin = posixpath.normpath(posixpath.join(here, target))
        if origin in pages:
            to = pages[origin]
        elif origin.startswith("docs/"):
            to = page_of(origin.removeprefix("docs/"))
        elif (ROOT / origin).exists() and not mark:
            return text
        else:
            return link[0]  # leads nowhere, which MkDocs reports
        return f"{mark}[{text}]({posixpath.relpath(to, posixpath.dirname(uri) or '.')}{anchor})"

    return _LINK.sub(turned, markdown)


def page_of(uri: str) -> str:
    """Return the page that shows a file of docs/."""
    return f"{uri.removesuffix('.ipynb')}.md" if uri.endswith(".ipynb") else uri
