"""What MkDocs does not do by itself: the navigation is the map that readers have, and some pages stand elsewhere.

Pages are read in the repository, too, so all their links are relative to the file that they stand in.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent.parent
OUTSIDE = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/RESULTS.md": "results.md",
    "benchmarks/results.svg": "results.svg",
    "example_project/README.md": "example.md",
}
"""Pages, and a picture, that belong to the site and not to ``docs``, by their path in the repository."""

LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")
CODE = re.compile(r"`[^`]*`")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation of the sections of ``index.md`` and of the pages that each of them lists."""
    nav: list[dict[str, object]] = [{"Documentation": "index.md"}]
    for section in re.split(r"^## ", (DOCS / "index.md").read_text(), flags=re.MULTILINE)[1:]:
        links = re.findall(r"^\|.*\[(.+?)\]\(([^)]+\.md)\) \|$", section, re.MULTILINE)
        nav.append({section.partition("\n")[0]: [{title: _on_site(target, "docs")} for title, target in links]})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what stands outside of ``docs``."""
    for path, name in OUTSIDE.items():
        files.append(File.generated(config, name, abs_src_path=str(DOCS.parent / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **kwargs: object) -> str:
    """Let links lead to where their pages are on the site, and tables show what code hosts show."""
    # In tables, GitHub takes the backslash out of code, and Python's Markdown needs none there.
    markdown = re.sub(
        r"^\|.*", lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown, flags=re.M
    )
    path = next((path for path, name in OUTSIDE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    return LINK.sub(lambda link: _on_site(link[1], posixpath.dirname(path)), markdown)


def _on_site(target: str, directory: str) -> str:
    """A relative link of a file in ``directory``, as a link of a page of the site."""
    path = posixpath.normpath(posixpath.join(directory, target))
    return OUTSIDE.get(path, posixpath.relpath(path, "docs"))
