"""The README's picture of the chat page, taken from the running product in headless Chromium.

python tests/pictures/chat.py     writes tests/pictures/chat.png
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

QUESTIONS = ("Which brand did Huawei launch with JAC?", "And with Chery?")


def take(address: str, target: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 940})
        page.goto(address)
        page.locator("#conversation .example").first.wait_for()
        for question in QUESTIONS:
            ask(page, question)
        page.wait_for_timeout(800)
        page.screenshot(path=target)
        browser.close()


def ask(page: Page, question: str) -> None:
    replies = page.locator(".reply").count()
    box = page.locator("textarea").first
    box.fill(question)
    box.press("Enter")
    page.locator(".reply").nth(replies).wait_for()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "assistant.cli", "--index", folder, "chat", "--port", "0"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            found = next(match for line in server.stderr if (match := re.search(r"http://\S+/", line)))
            take(found.group(), Path(__file__).with_suffix(".png"))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
