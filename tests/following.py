"""Follows a page of the documentation as a reader does: writes its files, types its commands, reads what they print.

As a program it begins in an empty folder, makes the environment that the page says, and installs what it is given in
the place of the released package: ``python -m tests.following docs/start.md dist/django_avp-….whl``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from types import TracebackType

from tests.processes import PATIENCE, ROOT, serving

MARK = "--- this command has ended with"
ADDRESS = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Block:
    """A fenced block, and the line before it."""

    page: Path
    line: int
    language: str
    text: str
    intro: str


@dataclass(frozen=True)
class Output:
    """What the page shows below a command, and what the command printed."""

    command: str
    shown: str
    printed: str

    @property
    def is_as_shown(self) -> bool:
        """Whether they are the same but for milliseconds and ids of policy stores."""
        return _without_chance(self.shown) == _without_chance(self.printed)


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page, of some languages or of all."""
    found: list[Block] = []
    fence: tuple[int, str, list[str]] | None = None
    intro = ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is not None:
            if line == "```":
                found.append(Block(page, fence[0], fence[1], "\n".join(fence[2]) + "\n", intro))
                fence = None
            else:
                fence[2].append(line)
        elif line.startswith("```"):
            fence = (number + 1, line[3:], [])
        elif line.strip():
            intro = line
    return [block for block in found if not languages or block.language in languages]


def section(page: Path, heading: str) -> str:
    """The text of one section."""
    return page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def subsection(page: Path, heading: str, subheading: str) -> str:
    """The text of a part of a section."""
    return section(page, heading).partition(f"\n### {subheading}\n")[2].partition("\n### ")[0]


class Reader:
    """Somebody with a folder, a shell and a server.

    Args:
        directory: the folder, in which everything happens.
        package: what ``pip install django-avp`` installs, into an environment that is made as the page says. Without
            it nothing is installed, since the environment of the tests has everything.
        variables: further variables of the environment.
    """

    def __init__(
        self, directory: Path, package: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.outputs: list[Output] = []
        self._package = package
        self._closing = ExitStack()
        self._server = ExitStack()
        self._address = ""
        self._files = Path(self._closing.enter_context(TemporaryDirectory()))
        curl = self._files / "curl"
        curl.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "tests/curl.py"))} "$@"\n'
        )
        curl.chmod(0o755)
        self._environment = _environment(self._files, is_last=package is not None) | dict(variables or {})
        self._shell = subprocess.Popen(  # noqa: S603 - a shell is what a reader types into
            ["/bin/sh"],
            cwd=directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop_serving()
        self._shell.communicate()
        self._closing.close()

    def follow(self, page: Path, heading: str | None = None) -> list[Output]:
        """Do what a page says, or one section of it."""
        before = len(self.outputs)
        for block in blocks(page):
            if heading is None or block.text in section(page, heading):
                self._follow(block)
        return self.outputs[before:]

    def _follow(self, block: Block) -> None:
        name = re.match(r"(At the end of )?`([\w./-]+)`.*:$", block.intro)
        if block.language == "console":
            for command, shown in _commands(block.text):
                self._type(command, shown)
        elif name:
            path = self.directory / name[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if name[1] else "w") as file:
                file.write(block.text)
            # The reader's server reloads by itself; this one is started anew when it is needed.
            self._stop_serving()

    def _type(self, command: str, shown: str) -> None:
        if command.startswith(("pip install", "python -m venv")):
            # What these print is not the page's to show.
            if self._package:
                self.run(command.replace("django-avp", str(self._package)))
        elif not command.endswith("manage.py runserver"):
            if ADDRESS in command:
                self._serve()
            printed = self.run(command.replace(ADDRESS, self._address or ADDRESS))
            self.outputs.append(Output(command, shown, printed.replace(self._address or ADDRESS, ADDRESS)))

    def run(self, command: str) -> str:
        """Type a command, and give what it printed."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n%s %s\\n' '{MARK}' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        patience = Timer(2 * PATIENCE, self._shell.kill)
        patience.start()
        end = "It did not end."
        for line in self._shell.stdout:
            if line.startswith(MARK):
                end = line
                break
            lines.append(line)
        patience.cancel()
        printed = "".join(lines).rstrip("\n")
        if not end.endswith(" 0\n"):
            raise AssertionError(f"$ {command}\n{printed}\n{end}")
        return printed

    def _serve(self) -> None:
        """Have the site served as it is now, unless it is."""
        if not self._address:
            command = [self.run("command -v python"), "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"]
            log = self._files / "server.log"
            serving_site = serving(command, self._environment, log, directory=self.directory)
            self._address = self._server.enter_context(serving_site)

    def _stop_serving(self) -> None:
        self._server.close()
        self._address = ""


def _environment(bin_directory: Path, *, is_last: bool) -> dict[str, str]:
    """The caller's environment without what is of other projects; ``bin_directory`` has what a machine may lack."""
    ours = re.compile("AVP_|AWS_|COVERAGE_|DJANGO_|PYTEST|PYTHON|VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
    path = [str(Path(sys.executable).parent), environment["PATH"]]
    path.insert(len(path) if is_last else 0, str(bin_directory))
    pip = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    return environment | pip | {"PATH": os.pathsep.join(path)}


def _commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the lines that are shown below it."""
    found = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    return [(command, shown.rstrip("\n")) for command, shown in found]


def _without_chance(text: str) -> str:
    return re.sub(r"dur=\d+\.\d", "dur=…", re.sub(r"\bPS\w{20}\b", "PS…", text))


def main() -> None:
    """Follow a page in an empty folder, and say what is not as it shows."""
    page, package = (Path(argument).resolve() for argument in sys.argv[1:])
    with TemporaryDirectory() as directory, Reader(Path(directory), package) as reader:
        outputs = reader.follow(page)
    wrong = [output for output in outputs if not output.is_as_shown]
    for output in wrong:
        print(f"$ {output.command}\n{output.printed}\n--- and the page shows\n{output.shown}\n")
    print(f"{page.name}: {len(outputs)} commands were typed, {len(wrong)} printed something else than the page shows")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
