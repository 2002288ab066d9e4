"""The page of report cards in a real browser: read, copied, printed, by keys, in any layout."""

import re

import pytest

from tacref.verify.page import to_html
from tacref.verify.report import Report, Row
from tests.browser.test_report_in_browser import CONTRASTS

TEXT = "<b>x</b> & \"y\" </pre><script>document.title = 'hit'</script>"
SNIPPET = f"import numpy as np\nx = np.array({[0.1] * 60})\n    print({TEXT!r})\n# right: 1.0"
NAME = "a_package.with_a_long_name.and_modules_that_have:a_function_of_" + 8 * "many_words_"
# More than any card of today has, with long claims and numbers.
ROWS = range(48)
NOTE = "too slow for 740 x 710"
GOOD = Report(
    "good.module:loss",
    "lav, equation 8, of embeddings, variant official",
    (
        *(Row(f"long sequences: gradient to x {k}", "pass", 1.2e-13, 3.4e-12, NOTE) for k in ROWS),
        Row("band", "refused", note="raises an error"),
        Row("lengths and padding", "not offered", note="takes no lengths"),
    ),
)
BAD = Report(
    NAME,
    "soft_dtw, equation 4, of costs",
    (
        Row("value", "pass", 1e-16, 1e-14),
        Row("gradient to D", "FAIL", 1e-3, 1e-14, f"off by {'9' * 60} {TEXT}", SNIPPET),
        Row("upstream gradient", "FAIL", 1.0, 0.0, "should be 0", "print(2)"),
    ),
)
MUTE = Report("a:mute", "dtw", (Row("value", "FAIL", note="in every call"),), "a:mute: always")


@pytest.fixture
def open_cards(open_tab, tmp_path):
    def open_cards(reports, *arguments, **options):
        path = tmp_path / "card.html"
        path.write_text(to_html(reports), "utf-8")
        return open_tab(path, *arguments, **options)

    return open_cards


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_cards_do_not_overflow_and_can_be_read(scheme, width, open_cards, keep):
    page = open_cards([BAD, MUTE, GOOD], scheme, (width, 800))
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(element => {
             const box = element.getBoundingClientRect();
             return box.width && !element.closest('thead') &&
               (box.left < -1 || box.right > innerWidth + 1);
           }).map(element => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    # Long code scrolls in its own box, and nothing else has to.
    assert page.evaluate("document.querySelector('pre').scrollWidth > innerWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('.wide')].every(e => e.scrollWidth <= e.clientWidth)"
    )
    # Words have room; on a phone the note is below the claim.
    assert page.locator("#card-1-2 .note").bounding_box()["width"] > 300
    contrasts = page.evaluate(CONTRASTS.replace("const texts = '", "const texts = 'b, a, span, "))
    assert min(contrasts) >= 4.5  # WCAG AA
    assert page.evaluate("document.title") == "could not be checked: tacref verify"
    keep(page, f"card-{scheme}-{width}")


def test_the_verdict_and_the_failures_are_on_the_first_screen(open_cards):
    page = open_cards([BAD], size=(360, 740))
    for text in ("FAILED", "gradient to D", "upstream gradient"):
        assert page.locator("header").get_by_text(text, exact=True).bounding_box()["y"] < 740
    page.get_by_role("link", name="upstream gradient").click()
    row = page.locator("#card-1-3").bounding_box()
    assert 0 <= row["y"] < 740
    assert page.url.endswith("#card-1-3")


@pytest.mark.parametrize("clipboard", ["allowed", "of old", "none"])
def test_the_button_copies_the_code(clipboard, open_cards):
    context = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = open_cards([BAD], **context)
    if clipboard != "allowed":
        page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', {value: null})")
    if clipboard == "none":
        page.evaluate("document.execCommand = () => false")
    page.locator("summary").first.click()
    button = page.locator(".copy").first
    button.click()
    if clipboard == "none":
        assert button.inner_text() == "Selected: press Ctrl+C"
        assert page.evaluate("getSelection().toString()").strip() == SNIPPET
        return
    assert button.inner_text() == "Copied"
    assert page.evaluate("navigator.clipboard.readText()").strip() == SNIPPET
    button.get_by_text("Copy", exact=True).wait_for()  # once more, after a moment


def test_by_keys_in_the_order_that_is_read(open_cards):
    page = open_cards([BAD])
    focused = "document.activeElement.innerText.split('\\n')[0]"
    seen = []
    for key in ("Tab", "Tab", "Tab", "Tab", "Enter", "Tab", "Tab", "Tab"):
        page.keyboard.press(key)
        seen.append(page.evaluate(f"document.activeElement.tagName + ' ' + {focused}"))
    found = "SUMMARY smallest failing input found"
    assert seen[:2] == ["A gradient to D", "A upstream gradient"]
    assert seen[2].startswith("DIV ")  # the table
    assert seen[3:5] == [found, found]  # Enter unfolds it
    assert seen[5:] == ["BUTTON Copy", "PRE import numpy as np", found]
    assert page.locator("details").first.get_attribute("open") is not None
    assert page.locator("details").last.get_attribute("open") is None


def pages(page, paper="A4"):
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper)))


def test_a_card_prints_on_one_page(open_cards, keep):
    page = open_cards([GOOD])
    assert pages(page) == pages(page, "Letter") == 1
    page.emulate_media(media="print")
    keep(page, "card-print")


def test_each_card_begins_a_page_and_code_is_printed_where_it_is_unfolded(open_cards):
    page = open_cards([GOOD, GOOD])
    assert pages(page) in (2, 3)  # the list at the top may push the end of the first over
    page = open_cards([BAD], "dark")
    assert pages(page) == 1
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("pre").first.is_visible()
    assert not page.locator("summary").first.is_visible()
    page.evaluate("document.querySelector('details').open = true")
    assert page.locator("pre").first.is_visible()
    assert not page.locator(".copy").first.is_visible()
