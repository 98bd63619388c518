"""Django's admin by Cedar policies: who gets in, which models and rows are seen, and what may be done with each row."""

from __future__ import annotations

from django_avp.admin.inlines import PolicyInlineModelAdmin
from django_avp.admin.options import PolicyModelAdmin
from django_avp.admin.sites import PolicyAdminSite

__all__ = ["PolicyAdminSite", "PolicyInlineModelAdmin", "PolicyModelAdmin"]
