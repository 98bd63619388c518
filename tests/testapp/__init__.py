"""The site that the tests run on."""

from __future__ import annotations
