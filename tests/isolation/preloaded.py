"""The site for a server that loads it before it forks, and that has decided before: with a key set and a synced store.

Another thread holds every lock of this package when the workers are forked.
"""

from __future__ import annotations

import os
import threading

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from django_avp.readiness import check
from tests.isolation.forking import held_locks

application: WSGIHandler = get_wsgi_application()
report = check(timeout=60)
assert report.is_ready, report.problems
parent = os.getpid()
# For as long as this process lives.
threading.Thread(target=held_locks, daemon=True).start()
