"""What the testing page says of browsers works as it stands there, in the project of the start."""

from __future__ import annotations

import shutil

import pytest

from tests.following import Reader, blocks
from tests.processes import ROOT

SOURCES = {
    "header": "",
    "cookie": 'AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.Cookie"]',
    "session": 'AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.Session"]',
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_tests_in_a_browser_pass(source, started, tmp_path):
    """With the token in the header, and with the page's other fixture in a cookie and in the session."""
    page = ROOT / "docs" / "testing.md"
    test, by_cookies = [block.text for block in blocks(page, "python") if "chromium" in block.text]
    text = test if source == "header" else test.replace("\n\n\ndef test_", f"\n\n\n{by_cookies}\n\ndef test_")
    shutil.copytree(started.directory, tmp_path, dirs_exist_ok=True)
    (tmp_path / "photos" / "test_browser.py").write_text(text)
    (tmp_path / "browser_settings.py").write_text(f"from mysite.settings import *\n{SOURCES[source]}\n")

    with Reader(tmp_path) as reader:
        reader.run("python -m pytest --ds=browser_settings -p no:cacheprovider photos/test_browser.py")
