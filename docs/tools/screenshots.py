"""Makes the pictures of the documentation: runs the example with new data, signs in, and looks at its pages.

``make screenshots``. It takes a Chromium: the one that ``CHROMIUM`` names, the machine's, or Playwright's own.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.processes import ROOT, serving

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 760
LARGEST = 150_000


def sign_in(page: Page, persona: str) -> None:
    """Sign in as one of the example's people, from whatever page asks for it."""
    page.context.clear_cookies()
    page.goto("/sign-in/")
    page.get_by_role("button", name=persona).click()
    page.wait_for_url("/")


def take(page: Page) -> None:
    """Take all pictures."""
    for persona, kind in (("Victor", "viewer"), ("Olivia", "owner")):
        sign_in(page, persona)
        for address, name in (("/", "gallery"), ("/photos/1/", "photo")):
            # Whoever has just signed in is greeted once.
            page.goto("/photos/2/")
            page.goto(address)
            save(page, f"{name}-{kind}")
    page.goto("/admin/photos/photo/")
    save(page, "admin")
    page.goto("/api/docs/")
    operation = page.locator(".opblock-get").filter(has_text="/api/photos/{id}/").first
    operation.click()
    operation.locator(".responses-wrapper .highlight-code").first.wait_for()
    operation.locator(".responses-wrapper").evaluate("responses => responses.scrollIntoView()")
    save(page, "api")
    sign_in(page, "Victor")
    page.goto("/photos/1/edit/")
    save(page, "refused")


def save(page: Page, name: str) -> None:
    """Write a picture of what the window shows, in 256 colours."""
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    path = IMAGES / f"{name}.png"
    picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")
    if size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST:,} bytes.")


@contextmanager
def example(directory: Path) -> Iterator[str]:
    """Serve the example, with data of its own in a directory, on a free port; give its address."""
    environment = {
        "PATH": os.environ["PATH"],
        "EXAMPLE_DATA_DIR": str(directory),
        "EXAMPLE_URL": "http://127.0.0.1:{port}",
        # What a developer's .env may set otherwise.
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "DJANGO_DEBUG": "on",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "COGNITO_USER_POOL_ID": "",
        "AVP_ENGINE": "django_avp.engines.cedar.CedarEngine",
    }
    manage = [sys.executable, "manage.py"]
    for command in (["migrate", "--verbosity=0"], ["seed_demo"]):
        subprocess.run([*manage, *command], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    serve = [*manage, "runserver", "--noreload", "127.0.0.1:{port}"]
    with serving(serve, environment, directory / "server.log") as address:
        yield address


def main() -> None:
    """Run the example and the browser, and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with TemporaryDirectory() as directory, example(Path(directory)) as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        # The same on every machine: one size, one scale, light colours.
        page = browser.new_page(base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        take(page)
        browser.close()


if __name__ == "__main__":
    main()
