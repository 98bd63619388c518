"""Sign-in by Amazon Cognito's own pages; an app of its own, installed where a site has pages for people."""

from __future__ import annotations
