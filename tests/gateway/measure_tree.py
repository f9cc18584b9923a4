"""Measure a tree with 10,000 open rows in a browser: `python -m tests.gateway.measure_tree URL COOKIE SERIAL`.

URL is of a running server, COOKIE a session of it, SERIAL a machine with at least 10,000 parts; two more words are the
width of the window and the seconds that fetching may take.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import quantiles

from playwright.sync_api import Page, sync_playwright

ROWS = 10_000
_FRAMES = """async (step) => {
  const gaps = []; let last = performance.now();
  for (let at = 0; at < 120; at++) {
    window.scrollBy(0, step);
    await new Promise(requestAnimationFrame);
    const now = performance.now(); gaps.push(now - last); last = now;
  }
  return gaps;
}"""


def frames(page: Page, step: int) -> str:
    """Scroll two seconds long; return the middle, the slow and the slowest of the times between frames."""
    gaps = sorted(page.evaluate(_FRAMES, step))
    cuts = quantiles(gaps, n=20)
    return f"p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms, longest {gaps[-1]:.0f} ms"


def main() -> None:
    """Open the branch, fetch all of its rows by scrolling down, then scroll up and down."""
    base, cookie, serial, *more = sys.argv[1:]
    width = int(more[0]) if more else 1440
    patience = float(more[1]) if len(more) > 1 else 600.0
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": width, "height": 900 if width > 800 else 844})
        context.add_cookies([{"name": "forewarn_session", "value": cookie, "url": base}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        found = page.request.get(f"{base}/api/v1/assets?serial={serial}").json()["items"][0]
        page.goto(f"{base}/assets/tree")
        twig = page.locator(".node", has=page.locator(f"a[href$='{found['id']}']")).locator("button.twig")
        while twig.count() == 0:  # a level comes a hundred rows at a time
            page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
            page.wait_for_timeout(200)
        began = time.monotonic()
        twig.click()
        page.locator("[aria-level='2']").first.wait_for()
        print(f"load {os.getloadavg()[0]:.1f}; a branch opens in {time.monotonic() - began:.2f} s")
        began, most = time.monotonic(), 0
        row = page.locator("[aria-level='2']").first.bounding_box()
        height = row["height"] if row else 40.0
        tall = 0.0
        while tall < ROWS and time.monotonic() - began < patience:
            tall = page.evaluate("document.body.scrollHeight") / height
            last = page.locator("[aria-level='2']").last.bounding_box()  # below it come the rows of the level above
            page.evaluate("(y) => window.scrollBy(0, y)", last["y"] - 200 if last else 400)
            page.wait_for_timeout(30)
            most = max(most, page.locator(".node").count())
        print(f"{tall:.0f} rows high after {time.monotonic() - began:.0f} s")
        print(f"at most {most} rows and {page.evaluate('document.querySelectorAll(`*`).length')} nodes in the page")
        print("up:", frames(page, -400))
        print("fast up:", frames(page, -2500))
        print("down:", frames(page, 400))
        browser.close()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
