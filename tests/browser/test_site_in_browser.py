"""The built site, opened from its files: it fetches nothing, fits, can be read and searched.

TACREF_SITE names its folder (`make docs`); without it, these tests are skipped and say why.
"""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import until

PHONE, DESKTOP = (360, 780), (1280, 900)
# Texts that are hard to read: contrast below 4.5, or 3 for large ones. Colors may be translucent.
FAINT = """() => {
  const numbers = color => {
    const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, below) => below.map((c, i) => i < 3 ? top[3] * top[i] + (1 - top[3]) * c : 1);
  const ground = element => {
    const own = numbers(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, element.parentElement ? ground(element.parentElement) : [255, 255, 255, 1]);
  };
  const light = color => color.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * c, 0);
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({opacityProperty: true,
      visibilityProperty: true}) || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), below = ground(element);
    const [one, two] = [light(over(numbers(style.color), below)), light(below)];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))
      faint.add(`${element.localName}.${element.className} ${style.color} ${contrast.toFixed(2)} ` +
        walker.currentNode.data.trim().slice(0, 20));
  }
  return [...faint];
}"""
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.fixture(scope="module")
def site():
    folder = os.environ.get("TACREF_SITE")
    if not folder:
        pytest.skip("TACREF_SITE names no built site")
    return Path(folder).resolve()


@pytest.fixture
def open_site(browser, site):
    """Open a page of the site, and fail where it has an error or asks the network."""
    contexts, errors = [], []

    def open_site(scheme="light", size=DESKTOP):
        width, height = size
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": height}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.on("request", lambda request: note(request.url))
        return page

    def note(url):
        if not url.startswith(("file:", "data:")):
            errors.append(f"asked for {url}")

    yield open_site
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("light", PHONE), ("dark", PHONE), ("light", DESKTOP), ("dark", DESKTOP)],
    ids=["light-phone", "dark-phone", "light-desktop", "dark-desktop"],
)
def test_every_page_fits_and_can_be_read(open_site, site, keep, scheme, size):
    page = open_site(scheme, size)
    wide, faint = {}, {}
    paths = sorted(site.rglob("*.html"))
    assert len(paths) > 30
    for path in paths:
        if path.name == "404.html":  # its links are absolute, for a server
            continue
        page.goto(path.as_uri())
        name = path.relative_to(site).with_suffix("").as_posix()
        content, window = page.evaluate(WIDTHS)
        if content > window:
            wide[name] = content
        for text in page.evaluate(FAINT):
            faint.setdefault(text, name)
        if name in ("index", "api/losses"):
            keep(page, f"site-{path.stem}-{scheme}-{size[0]}")
    assert wide == {}
    assert faint == {}


def test_search_finds_without_a_server(open_site, site):
    page = open_site()
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").press_sequentially("barycenter")
    until(
        page,
        "[...document.querySelectorAll('.md-search-result__link')]"
        ".some(link => link.href.includes('api/alignment.html'))",
    )


def test_pages_show_what_their_sources_say(site):
    """What another reader of Markdown could get wrong."""
    equations = (site / "equations.html").read_text("utf-8")
    assert "<td>|i − j| &lt;= <code>band</code></td>" in equations  # noqa: RUF001
    assert "<code>D[i, j] = ||x_i - y_j||^2</code>" in equations
    assert "Tensor, shape (B, n, m)" in (site / "api" / "losses.html").read_text("utf-8")
