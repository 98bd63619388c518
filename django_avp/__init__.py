"""Amazon Verified Permissions and Cedar behind Django's own permission idioms."""

from __future__ import annotations

__version__ = "0.1.0"
