"""A project that is not ours in shape: its tests run in a process with settings of their own."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_project_of_another_shape_works():
    """Schema, entities, lists, pages and explanations; see ``tests/elsewhere/suite.py``."""
    command = ["-m", "pytest", "--noconftest", "-q", "-p", "no:cacheprovider", "--ds", "tests.elsewhere.settings"]
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, *command, "tests/elsewhere/suite.py"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.elsewhere.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
