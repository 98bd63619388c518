"""Tokens: where a request carries them, the keys that sign them, and their verification."""

from __future__ import annotations
