"""The schema as a file: what the project declares is written into it, and what people wrote there stays."""

from __future__ import annotations

from django_avp.schema_files.merging import merged
from django_avp.schema_files.project import Project

__all__ = ["Project", "merged"]
