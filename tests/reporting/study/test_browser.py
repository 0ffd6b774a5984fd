"""The page in a real browser: what a reader sees first, on a telephone, in the dark, by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from tests.comparison.made_up import LEVELS, additive, table
from tests.reporting.study.made import report_of

from ablab.reporting.study.html import render

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium is not installed (make system)"),
]

CONTRAST = """
const parse = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
const light = (c) => { c = c / 255; return c <= 0.03928 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4); };
const luminance = (c) => 0.2126 * light(c[0]) + 0.7152 * light(c[1]) + 0.0722 * light(c[2]);
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const c = parse(getComputedStyle(at).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c;
  }
  return parse(getComputedStyle(document.documentElement).backgroundColor);
};
const worst = [];
for (const node of document.querySelectorAll("p, h1, h2, th, td, dt, dd, a, summary, code, svg text")) {
  if (!node.textContent.trim()) continue;
  const style = getComputedStyle(node);
  const inSvg = node.namespaceURI.endsWith("svg");
  const colours = [luminance(parse(inSvg ? style.fill : style.color)), luminance(ground(node))];
  const ratio = (Math.max(...colours) + 0.05) / (Math.min(...colours) + 0.05);
  worst.push([ratio, node.textContent.trim().slice(0, 40)]);
}
worst.sort((a, b) => a[0] - b[0]);
return [worst.length, worst[0]];
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    records = table(additive, n_subjects=8, seeds=range(5))
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(report_of(records, levels=LEVELS, floor=0.155)), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


def opened(browser: webdriver.Chrome, address: str, width: int, height: int, scheme: str = "light") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(address)


def test_it_loads_without_a_request_or_a_message(browser: webdriver.Chrome, address: str) -> None:
    opened(browser, address, 1280, 800)
    assert browser.get_log("browser") == []
    requested = re.findall(
        r'"url":"([^"]+)"', " ".join(each["message"] for each in browser.get_log("performance"))
    )
    outside = [url for url in requested if not url.startswith(("file://", "data:", "about:", "chrome"))]
    assert outside == []
    assert any(url.startswith("file://") for url in requested), "the log was read"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_that_matters_is_on_the_first_screen(
    browser: webdriver.Chrome, address: str, scheme: str
) -> None:
    opened(browser, address, 1280, 800, scheme)
    for selector in (".banner p", "#answer", ".facts table", ".scope", ".advice", ".forest svg"):
        box = browser.execute_script(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [b.top, b.bottom, b.left, b.right, b.width];",
            selector,
        )
        top, bottom, left, right, width = box
        assert 0 <= top < bottom <= 800, (selector, box)
        assert 0 <= left < right <= 1280, (selector, box)
        assert width > 200, (selector, box)
    facts, forest = (
        browser.execute_script(
            "return document.querySelector(arguments[0]).getBoundingClientRect().left", each
        )
        for each in (".facts", ".forest")
    )
    assert forest > facts + 400, "two columns"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: webdriver.Chrome, address: str, width: int) -> None:
    opened(browser, address, width, 800)
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    small = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('p, td, th, svg text')].map((each) => {"
        "  const place = each.getScreenCTM ? each.getScreenCTM() : {a: 1, b: 0};"
        "  const scale = Math.hypot(place.a, place.b);"
        "  return parseFloat(getComputedStyle(each).fontSize) * scale; }))"
    )
    assert small >= 9.5, "text in plots stays readable"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: webdriver.Chrome, address: str, scheme: str) -> None:
    opened(browser, address, 1280, 800, scheme)
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    count, (ratio, text) = browser.execute_script(CONTRAST)
    assert count > 300
    assert ratio >= 4.5, f"{text!r}: contrast {ratio:.2f}"
    ground = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")


def test_the_keyboard_reaches_the_skip_link_the_tables_and_what_is_folded(
    browser: webdriver.Chrome, address: str
) -> None:
    opened(browser, address, 1280, 800)
    reached = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(
            browser.execute_script(
                "const at = document.activeElement;"
                "return [at.tagName, at.className, getComputedStyle(at).outlineStyle];"
            )
        )
    assert reached[0][:2] == ["A", "skip"]
    kinds = {tag if not name else f"{tag}.{name}" for tag, name, _ in reached}
    assert {"DIV.scroll", "SUMMARY", "A"} <= kinds
    assert all(outline != "none" for tag, _, outline in reached if tag != "BODY"), "focus is seen"
    folded = "return document.querySelectorAll('details[open]').length"
    assert browser.execute_script(folded) == 0
    summary = browser.find_element("css selector", "summary")
    summary.send_keys(Keys.ENTER)
    assert browser.execute_script(folded) == 1


def test_it_prints(browser: webdriver.Chrome, address: str) -> None:
    opened(browser, address, 1280, 800)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return getComputedStyle(document.querySelector(arguments[0])).display"
    assert browser.execute_script(shown, "nav") == "none"
    assert browser.execute_script(shown, "main") == "block"
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert len(printed["data"]) > 50_000
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
