"""Take the pictures of the README and the guides from a running demo.

``make run-fresh`` in one terminal, ``make pictures`` in another. Each file of ``scripts/pictures`` takes those of one
role; ``make pictures ROLE=patient`` takes one role's alone.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

HERE = Path(__file__).resolve().parent
ADDRESS = os.environ.get("ADDRESS", "http://127.0.0.1:8000")
FOLDER = HERE.parent / "docs" / "images"
PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1100, height=860)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass
class Shots:
    """A browser at the demo's front page, and where pictures go."""

    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)

    def visitor(self, viewport: ViewportSize = DESKTOP) -> Page:
        """Somebody who is not signed in, at the front page."""
        context = self.browser.new_context(base_url=ADDRESS, viewport=viewport, locale="en-GB", accept_downloads=True)
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        page = context.new_page()
        page.goto("/")
        return page

    def sign_in_as(self, button: str, viewport: ViewportSize = DESKTOP) -> Page:
        """Somebody of the demo, by the words on their button on the front page."""
        page = self.visitor(viewport)
        page.get_by_role("button", name=button).first.click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page

    def shoot(self, page: Page, name: str, *, whole: bool = False) -> None:
        """What the window shows, or the whole page, as ``docs/images/<name>.png``."""
        page.wait_for_load_state()
        path = FOLDER / f"{name}.png"
        page.screenshot(path=path, full_page=whole, animations="disabled")
        shrink(path)
        print(f"docs/images/{name}.png", flush=True)

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.contexts.clear()


def shrink(path: Path) -> None:
    """A third of the bytes with 128 colours, where Pillow is at hand (``pip install pillow``); else as it is."""
    try:
        from PIL import Image
    except ImportError:
        return
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


@contextmanager
def shots() -> Iterator[Shots]:
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield Shots(browser)
        browser.close()


def main(roles: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(HERE.parent))
    known = sorted(path.stem for path in (HERE / "pictures").glob("[a-z]*.py"))
    with shots() as camera:
        for role in roles or known:
            importlib.import_module(f"scripts.pictures.{role}").take(camera)
            camera.close()


if __name__ == "__main__":
    main(sys.argv[1:])
