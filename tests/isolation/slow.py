"""An engine that takes its time, and says when it has begun."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django_avp.engines.cedar import CedarEngine


class SlowEngine(CedarEngine):
    """Begins, and goes on when a file is there."""

    is_in_process = False

    def decide(self, batch):
        place = Path(os.environ["SITE_SIGNS"])
        (place / "begun").touch()
        deadline = time.monotonic() + 60
        while not (place / "go").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return super().decide(batch)

    async def adecide(self, batch):
        raise NotImplementedError
