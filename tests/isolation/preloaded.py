"""The site for a server that loads it before it forks, and that has decided before: with a key set and a synced store.

Another thread holds every lock of this package when the workers are forked.
"""

from __future__ import annotations

import os
import threading
import time

from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

from django_avp.readiness import check
from tests.isolation.forking import held_locks
from tests.processes import PATIENCE

application: WSGIHandler = get_wsgi_application()
deadline = time.monotonic() + PATIENCE
# The policy store is read by a thread.
while not (report := check(timeout=PATIENCE)).is_ready:
    assert time.monotonic() < deadline, report.problems
    time.sleep(0.05)
parent = os.getpid()
# For as long as this process lives.
threading.Thread(target=held_locks, daemon=True).start()
