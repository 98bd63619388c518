"""Makes the log of rounds of the documentation: runs the example on a local endpoint, and clicks through it.

``python -m docs.tools.visits SECONDS > visits.log``: the example's seven people are signed in and go from page to page,
after five to thirty seconds on each. Pictures are loaded once, as a browser does.
"""

from __future__ import annotations

import random
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from example_project.signin.personas import PERSONAS, Persona
from tests.example.conftest import Browser, Demo, Page
from tests.processes import ROOT, serving

SETTINGS = """
from example_project.settings import *

LOGGING["loggers"] = {"django_avp.rounds": {"level": "DEBUG"}}
"""
PAGE = re.compile(r"/(\?.*|albums/[^/]+/(upload/)?(\?.*)?|photos/\d+/((edit|delete)/)?|what-may-i-do/.*)?")


def visit(url: str, persona: Persona, seconds: float) -> None:
    """Click through the site as somebody does, until the time is over."""
    chance = random.Random(persona.slug)  # noqa: S311 - no secret
    seen: set[str] = set()
    ends = time.monotonic() + seconds
    with Browser(url) as browser:
        browser.sign_in(persona.slug)
        address = "/"
        while True:
            time.sleep(chance.uniform(5, 30))
            if time.monotonic() > ends:
                return
            page = Page(browser.get(address).text)
            for picture in set(page.files) - seen:
                browser.get(picture)
            seen |= set(page.files)
            pages = [link.address for link in page.links if PAGE.fullmatch(link.address)]
            address = chance.choice(pages or ["/"])


def record(directory: Path, seconds: float) -> Path:
    """Serve the example for some seconds; give the log of its rounds."""
    (directory / "visited_settings.py").write_text(SETTINGS)
    demo = Demo(directory / "data")
    for arguments in (["migrate", "--verbosity=0"], ["seed_demo"]):
        demo.manage(*arguments)
    environment = demo.environment(PYTHONPATH=f"{directory}:{ROOT}")
    endpoint = [sys.executable, "manage.py", "avp_serve", "--port={port}"]
    site = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    log = directory / "site.log"
    with serving(endpoint, environment, directory / "endpoint.log") as service:
        environment |= {
            "DJANGO_SETTINGS_MODULE": "visited_settings",
            "DJANGO_LOG_JSON": "on",
            "AVP_ENGINE": "django_avp.engines.verified_permissions.VerifiedPermissionsEngine",
            "AVP_POLICY_STORE_ID": "local",
            "AWS_ENDPOINT_URL": service,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        with serving(site, environment, log) as url, ThreadPoolExecutor(len(PERSONAS)) as people:
            list(people.map(lambda persona: visit(url, persona, seconds), PERSONAS))
    return log


def main() -> None:
    """Write the lines of the log that are about rounds."""
    with TemporaryDirectory() as directory:
        log = record(Path(directory), float(sys.argv[1]))
        with log.open() as lines:
            sys.stdout.writelines(line for line in lines if line.startswith("{") and "avp.round" in line)


if __name__ == "__main__":
    main()
