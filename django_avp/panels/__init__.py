"""The panel for django-debug-toolbar: what a request asked, where, and how it was decided.

The extra ``toolbar`` installs what it needs.
"""

from __future__ import annotations

from django_avp.panels.panel import AuthorizationPanel

__all__ = ["AuthorizationPanel"]
