"""A real nginx with a cache in front of the site: nobody gets somebody else's page out of it (rule C5)."""

from __future__ import annotations

import shutil

import pytest
from django.core.cache import cache
from django.test import override_settings

from django_avp.runtime import runtime
from tests.hostile.servers import SERVERS, Site
from tests.processes import serving
from tests.web import cached
from tests.web.conftest import COOKIE, HEADER, WITHOUT_ROWS

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is found here, which these pages are asked through")

CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  proxy_cache_path {directory}/cache keys_zone=pages:1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{site};
      proxy_set_header Host $host;
      proxy_cache pages;
      proxy_cache_valid any 10m;
      add_header X-Cache $upstream_cache_status;
      {more}
    }}
  }}
}}
"""
# Pages that say nothing of any user: a cache may have them.
FOR_ALL = ("for-nobody",)
# The threads of the server have no database, which a permission asks.
PERSONAL = [name for name in cached.PAGES if not name.endswith("permission")]


@pytest.fixture(scope="module", params=[HEADER, COOKIE], ids=["header", "cookie"])
def source(request):
    """Where the site reads tokens."""
    return request.param


@pytest.fixture(scope="module")
def proxies(source, tmp_path_factory, mint):
    """The site behind a proxy: ``proxies("more of its configuration")`` gives its address."""
    wanted = {
        **WITHOUT_ROWS,
        "ROOT_URLCONF": "tests.web.cached",
        "AVP_TOKEN_SOURCES": [source],
        "AVP_JWKS": mint.jwks,
        "AVP_REQUIRE_ACTIVE_USER": False,
        "ALLOWED_HOSTS": ["127.0.0.1"],
    }
    with override_settings(**wanted), SERVERS["wsgi"]() as site:

        def proxy(more=""):
            directory = tmp_path_factory.mktemp("nginx")
            path = directory / "nginx.conf"
            template = CONFIGURATION.format(directory=directory, site=site, more=more, port="@PORT@")
            path.write_text(template)
            # The port is known when the server starts.
            script = f'sed -i "s/@PORT@/{{port}}/" {path} && exec {NGINX} -e {directory}/error.log -c {path}'
            return serving(["/bin/sh", "-c", script], {}, directory / "output.log")

        yield proxy


@pytest.fixture
def ask(light, source, mint):
    """Ask a proxy as somebody: ``ask(site, "ann", "/page/")``."""
    light.ROOT_URLCONF = "tests.web.cached"
    light.AVP_TOKEN_SOURCES = [source]
    light.AVP_REQUIRE_ACTIVE_USER = False
    light.ALLOWED_HOSTS = ["127.0.0.1"]
    runtime.reset()
    cache.clear()
    tokens = {sub: mint.id_token(sub=sub, groups=groups) for sub, groups in (("ann", ["moderators"]), ("bob", []))}

    def asked(site, sub, page, *headers):
        carried = []
        if sub:
            carried = [("Authorization", f"Bearer {tokens[sub]}")]
            if source is COOKIE:
                carried = [("Cookie", f"id_token={tokens[sub]}")]
        return site.get(page, *carried, *headers)

    return asked


def at(url):
    return Site(int(url.rpartition(":")[2]))


def test_c5_a_cache_in_front_has_nobodys_page_for_another(proxies, ask):
    """A proxy that keeps all it may, for ten minutes: each user gets their own page, and nobody nobody's; so do the
    refused, and who comes with an expired token. What is for everybody comes out of the cache."""
    wrong, statuses = [], set()
    with proxies() as url:
        site = at(url)
        for name in FOR_ALL:
            ask(site, "ann", f"/{name}/")
            assert ask(site, "bob", f"/{name}/").headers["X-Cache"] == "HIT"
        for name in PERSONAL:
            for sub in ("ann", "bob", None, "ann"):
                answer = ask(site, sub, f"/{name}/")
                statuses.add(answer.status)
                others = [other for other in ("ann", "bob") if other != sub and f"|{other}." in answer.body]
                others += ["a moderator"] if "may: True" in answer.body and sub != "ann" else []
                if others or (sub and answer.headers["X-Cache"] == "HIT"):
                    wrong.append(f"{name}: {sub or 'nobody'} got {answer.status} {answer.headers['X-Cache']}: {others}")
        for status, sub, page in (
            (200, "ann", "gated"),
            (403, "bob", "gated"),
            (404, "bob", "hidden"),
            (401, None, "gated"),
        ):
            assert [ask(site, sub, f"/{page}/").status for _ in range(2)] == [status] * 2
        assert ask(site, None, "/gated/", ("Accept", "text/html")).status == 302
        assert ask(site, None, "/gated/").status == 401
        site.close()

    assert wrong == []
    assert statuses == {200, 401, 403}


def test_c5_no_store_is_kept_by_nobody(proxies, ask):
    """What ``private`` leaves is the browser's own copy: ``no-store`` is a site's to add, as the documentation says."""
    with proxies() as url:
        site = at(url)
        said = ask(site, "ann", "/of_the_user/").headers["Cache-Control"]
        site.close()

    assert said == "private"


def test_a_cache_that_is_told_to_ignore_headers_mixes_users_up(proxies, ask):
    """Nothing that a site says helps against that: here it is shown, so that nobody takes the headers for a wall."""
    more = "proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;"
    with proxies(more) as url:
        site = at(url)
        first, second = (ask(site, sub, "/of_the_user/") for sub in ("ann", "bob"))
        site.close()

    assert "|ann." in first.body
    assert "|ann." in second.body
    assert second.headers["X-Cache"] == "HIT"
