"""What the testing page says of browsers works as it stands there, in the project of the five-minute start."""

from __future__ import annotations

import pytest

from tests.test_docs import DOCS, README, Start, blocks

SOURCES = {
    "header": "",
    "cookie": 'AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.Cookie"]',
    "session": 'AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.Session"]',
}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The project, made once."""
    return Start(tmp_path_factory.mktemp("start"), README, "Five-minute start")


@pytest.mark.parametrize("source", SOURCES)
def test_the_tests_in_a_browser_pass(source, start):
    """With the token in the header, and with the page's other fixture in a cookie and in the session."""
    test, by_cookies = [block.text for block in blocks(DOCS / "testing.md", "python") if "chromium" in block.text]
    text = test if source == "header" else test.replace("\n\n\ndef test_", f"\n\n\n{by_cookies}\n\ndef test_")
    (start.directory / "photos" / "test_browser.py").write_text(text)
    (start.directory / "browser_settings.py").write_text(f"from mysite.settings import *\n{SOURCES[source]}\n")

    start.python("-m", "pytest", "--ds=browser_settings", "-p", "no:cacheprovider", "photos/test_browser.py")
