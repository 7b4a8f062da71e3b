"""Take the README's pictures from a running demo: ``make run`` in one terminal, ``make pictures`` in another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ADDRESS = os.environ.get("ADDRESS", "http://127.0.0.1:8000")
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1100, "height": 760}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def shoot(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"docs/images/{name}.png")


def sign_in_as(browser: Browser, button: str, viewport: dict[str, int]) -> Page:
    page = browser.new_page(viewport=viewport)  # type: ignore[arg-type]
    page.goto(ADDRESS)
    page.get_by_role("button", name=button).click()
    return page


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        front = browser.new_page(viewport=DESKTOP)
        front.goto(ADDRESS)
        shoot(front, "front")
        patient = sign_in_as(browser, "Sign in as Zoë Ashworth", PHONE)
        shoot(patient, "choices")
        patient.get_by_role("button", name="Choose this time").first.click()
        shoot(patient, "confirm")
        patient.get_by_role("button", name="Confirm").first.click()
        shoot(patient, "confirmed")
        shoot(sign_in_as(browser, "Sign in as Ione Blackwood", DESKTOP), "plan")
        browser.close()


if __name__ == "__main__":
    main()
