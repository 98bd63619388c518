"""A local endpoint that speaks the wire protocol of Amazon Verified Permissions, with Cedar inside.

For tests and for work without AWS: any AWS SDK can talk to it. It verifies the tokens that it is given, keeps to the
limits and the errors of the service, and listens on the loopback address alone.
"""

from __future__ import annotations

from django_avp.testing.endpoint.server import Endpoint, Fault
from django_avp.testing.endpoint.state import PolicyStore

__all__ = ["Endpoint", "Fault", "PolicyStore"]
