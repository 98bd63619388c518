"""What Django's start and the middleware import: nothing that only other processes, or other sites, use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.core import checks
from django.core.checks import Tags

from django_avp.checks import base
from django_avp.deferred import CHECK_TAGS
from tests.processes import PATIENCE, ROOT
from tests.test_architecture import EXTRAS

SITE = f"""
import json, sys
from django.conf import settings
settings.configure(
    ROOT_URLCONF="tests.startup_urls",
    ALLOWED_HOSTS=["testserver"],
    SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_avp"],
    MIDDLEWARE=["django_avp.middleware.AuthorizationMiddleware"],
    AVP_USER_POOLS={{"eu-west-1_AbCdEf123": ["client-1"]}},
    AVP_POLICIES={str(ROOT / "tests" / "policies")!r},
)
"""
SETUP = "import django; django.setup()\n"
SERVER = """
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
environ |= {"HTTP_AUTHORIZATION": "Bearer a.b.c", "wsgi.input": sys.stdin.buffer, "wsgi.url_scheme": "http"}
response = application(environ, lambda status, headers: None)
assert response.content == b"ok", response.content
"""
TOLD = "print(json.dumps(sorted(sys.modules)))"


def imported(*code: str) -> set[str]:
    """The modules of a process of its own that has run some code."""
    process = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", "".join([SITE, *code, TOLD])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout))


@pytest.mark.parametrize("code", [[SETUP], [SERVER]], ids=["setup", "a request through the middleware"])
def test_nothing_is_imported_that_is_not_used(code):
    """All of these are installed here, and none is needed to start, or to identify who asks."""
    assert imported(*code).isdisjoint([*EXTRAS, "botocore"])


def test_setup_imports_what_registers_itself_and_no_more():
    """Checks, engines, policies and templates are there for those who use them."""
    own = {name for name in imported(SETUP) if name.startswith("django_avp.")}

    assert {"django_avp.apps", "django_avp.deferred", "django_avp.receivers"} <= own
    assert not own & {"django_avp.checks", "django_avp.authorization", "django_avp.runtime", "django_avp.planning"}


def test_every_tag_of_our_checks_is_registered():
    """A check of another tag would never run."""
    assert set(base._CHECKS) == set(CHECK_TAGS)


def test_checks_of_one_tag_are_run_alone(settings):
    """``manage.py check --tag`` runs ours of that tag and no others; each is run once."""
    settings.AVP_USER_POOLS = {}
    settings.AVP_CACHE = "nowhere"

    def ids(*tags):
        return [message.id for message in checks.run_checks(tags=tags) if message.id.startswith("django_avp.")]

    assert ids(Tags.security) == ["django_avp.E002"]
    assert ids(Tags.templates) == []
    (about_cache,) = ids(Tags.caches)
    assert sorted(ids(Tags.security, Tags.caches)) == sorted(["django_avp.E002", about_cache])
