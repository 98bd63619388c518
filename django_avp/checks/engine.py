"""Checks of engines that ask somebody else."""

from __future__ import annotations

from django.core.checks import Error, Tags

from django_avp.checks.base import Problems, problem_check
from django_avp.conf import conf

VERIFIED_PERMISSIONS = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"


@problem_check(Tags.security)
def check_verified_permissions() -> Problems:
    """The settings are those that Amazon Verified Permissions can follow."""
    if conf.engine != VERIFIED_PERMISSIONS:
        return
    if not conf.policy_store_id:
        yield Error(
            "AVP_POLICY_STORE_ID is missing, and VerifiedPermissionsEngine asks a policy store.",
            hint="Give the store's id, or policy-store-alias/ and its alias.",
            id="django_avp.E029",
        )
    if conf.on_policy_error == "forbids":
        yield Error(
            "AVP_ON_POLICY_ERROR = 'forbids' needs to know which policy could not be evaluated, and Amazon Verified "
            "Permissions does not tell.",
            hint="Use 'any', which denies whenever one could not, or 'ignore'.",
            id="django_avp.E030",
        )
