"""System checks: what ``manage.py check`` says about settings, policies, entities, views, APIs and templates.

No network is used, and no file but the project's own policies and templates is read.
"""

from __future__ import annotations

from django_avp.checks import api, engine, lists, policies, setup, usage

__all__ = ["api", "engine", "lists", "policies", "setup", "usage"]
