"""Switches from asset to asset on the page, in Debian's Chromium, and tells how long each took: run by
``benchmarks.switching`` in an environment of its own that has playwright and nothing of ours.

Arguments: the page's address, the range to be shown, a file for a picture, and the assets (``source:id:quote``), of
which the first is there before the clock begins. Prints a list of ``{"asset", "chart", "page"}`` in ms from the key
that chooses it: until its candles stand as they stay, and until all else does.
"""

from __future__ import annotations

import json
import sys

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 120_000
CALM_MS = 1_500
"""So long nothing may change before it counts as drawn."""
DRAWN = "made of 1m candles"
WATCH = """
([name, calm]) => new Promise((resolve, reject) => {
  const app = document.querySelector('[data-testid=stApp]')
  const drawing = '[data-testid=stVegaLiteChart]'
  addEventListener('keydown', function pressed(event) {
    if (event.key !== 'Enter') return
    removeEventListener('keydown', pressed, true)
    const began = performance.now()
    let chart = 0, page = 0
    const isOfChart = ({target}) => (target.closest || (() => null)).call(target, drawing)
    const draws = new MutationObserver(all => {
      if (all.some(isOfChart)) requestAnimationFrame(() => { chart = performance.now() - began })
    })
    draws.observe(document.body, {subtree: true, childList: true, attributes: true})
    const look = setInterval(() => {
      const now = performance.now() - began
      const head = document.querySelector('[data-testid=stMetricLabel]')
      const here = head && head.innerText.startsWith(name)
      if (here && !page && app.dataset.testScriptState === 'notRunning') page = now
      const done = here && chart && page && now > Math.max(chart, page) + calm
      if (!done && now < 60000) return
      clearInterval(look)
      draws.disconnect()
      if (done) resolve({chart, page: Math.max(chart, page)})
      else reject(Error(`${name} is not drawn: ${chart}, ${page}`))
    }, 20)
  }, true)
})
"""
"""A chart is drawn as elements, so its last change, and the frame after it, tell when it stands."""


def main(url: str, span: str, picture: str, *assets: str) -> None:
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{url}/asset?asset={assets[0]}")
        page.wait_for_selector("text=How it usually moves")
        page.get_by_role("radio", name=span).click()
        page.wait_for_selector(f"text={DRAWN}")
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        for asset in assets[1:]:
            name = asset.split(":")[1]
            page.locator('[data-testid="stSelectbox"] input').nth(1).fill(name)
            page.wait_for_selector(f'[role=option]:has-text("{name}")')
            page.evaluate(f"([name, calm]) => {{ window.switched = ({WATCH})([name, calm]) }}", [name, CALM_MS])
            page.keyboard.press("Enter")
            found.append({"asset": asset, **page.evaluate("window.switched")})
        page.screenshot(path=picture)
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
