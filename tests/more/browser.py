"""Opens pages in Debian's Chromium and tells what stands on each, as JSON: run by test_page.py, in an environment of its
own that has playwright and nothing of ours.

Arguments: the page's address, a folder for pictures, and JSON of what to open: a list of ``{"name", "path", "until",
"scheme", "wide", "click", "tables", "metrics", "charts"}``, where ``until`` is a text to wait for, ``click`` a row of the first table, and
``tables``, ``metrics`` and ``charts`` how many there must be, tables with cells to be read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 180_000
METRIC = '[data-testid="stMetricValue"]'
TABLE = 'canvas:has([role=gridcell]), [data-testid="stTable"]'
"""One whose cells are readable, which they are a moment after they are drawn."""
CHART = '[data-testid="stVegaLiteChart"] :is(canvas, svg.marks)'
COUNTED = "([selector, count]) => document.querySelectorAll(selector).length >= count"
RUNS = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def told(page: Page) -> dict[str, object]:
    """All texts, the cells of tables that are drawn, and what went wrong."""

    def texts(selector: str) -> list[str]:
        return [each.inner_text() for each in page.query_selector_all(selector)]

    return {
        "path": page.evaluate("location.pathname + location.search"),
        "text": page.inner_text('[data-testid="stMain"]'),
        "metrics": texts(METRIC),
        "cells": page.evaluate(
            "[...document.querySelectorAll('canvas [role=gridcell]')].map(each => each.textContent)"
        ),
        "exceptions": texts('[data-testid="stException"]'),
        "charts": len(page.query_selector_all(CHART)),
        "background": page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"),
        "wider": page.evaluate("document.documentElement.scrollWidth > window.innerWidth"),
    }


def main(url: str, folder: str, asked: str) -> None:
    found, elsewhere = {}, []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for look in json.loads(asked):
            wide = look.get("wide", 1280)
            phone = wide < 500
            context = browser.new_context(
                viewport={"width": wide, "height": 900}, color_scheme=look.get("scheme", "light"), is_mobile=phone,
                has_touch=phone,
            )  # fmt: skip
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("request", lambda request: None if request.url.startswith((url, "data:", "blob:")) else elsewhere.append(request.url))  # fmt: skip
            page.goto(f"{url}/{look['path']}")
            if "click" in look:
                page.wait_for_selector('[data-testid="stDataFrame"] canvas')
                page.wait_for_selector(RUNS)
                box = page.locator('[data-testid="stDataFrame"]').first.bounding_box()
                page.mouse.click(box["x"] + 16, box["y"] + 38 + 35 * look["click"] + 17)
            page.wait_for_function("until => document.body.innerText.includes(until)", arg=look["until"])
            page.wait_for_selector(RUNS)
            for name, selector in (("metrics", METRIC), ("charts", CHART), ("tables", TABLE)):
                # What draws them is loaded behind the text.
                page.wait_for_function(COUNTED, arg=[selector, look.get(name, 0)])
            found[look["name"]] = told(page)
            page.screenshot(path=Path(folder) / f"{look['name']}.png")
            context.close()
        browser.close()
    json.dump({"pages": found, "elsewhere": elsewhere}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
