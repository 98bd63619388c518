"""Django's models and permission names, and Cedar's actions: the one place that translates between them."""

from __future__ import annotations

from collections.abc import Iterator

from django_avp.cedar import EntityUid, qualify
from django_avp.conf import conf

__all__ = ["action_of_permission", "action_uid", "mapped_permissions", "model_action"]


def action_uid(action: object) -> EntityUid:
    """The entity id of an action: ``"EditPhoto"``, ``'Photos::Action::"EditPhoto"'`` or an id already.

    Raises:
        TypeError: it is something else, such as the resource in the action's place.
        ValueError: it is meant to be an entity id and is not one.
    """
    if isinstance(action, EntityUid):
        return action.in_namespace(conf.namespace)
    if not isinstance(action, str):
        raise TypeError(f'An action is its name, as in can("EditPhoto", photo), not a {type(action).__name__}.')
    if '::"' in action:
        return EntityUid.parse(action).in_namespace(conf.namespace)
    return EntityUid(qualify("Action", conf.namespace), action)


def action_of_permission(permission: str, *, has_object: bool) -> EntityUid | None:
    """The action that ``AVP_PERMISSION_ACTIONS`` maps a permission to; ``None`` if it maps it to none."""
    action = conf.permission_actions.get(permission)
    if action is not None and not isinstance(action, str):
        action = action.get("object" if has_object else "model")
    return None if action is None else action_uid(action)


def mapped_permissions(app_label: str | None = None) -> Iterator[str]:
    """The permissions that are mapped, of one app or of all."""
    for permission in conf.permission_actions:
        if app_label is None or permission.partition(".")[0] == app_label:
            yield permission


def model_action(verb: str, model: str) -> str:
    """The action of a model that a project has given no other name: ``ListPhotos``, ``ViewPhoto``.

    Args:
        verb: ``"List"``, ``"Create"``, ``"View"``, ``"Edit"`` or ``"Delete"``.
        model: the name of the model's class.
    """
    return f"{verb}{_plural(model) if verb == 'List' else model}"


def _plural(name: str) -> str:
    """The English plural of a class's name. Django's ``verbose_name_plural`` may be translated, an action may not."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "z", "ch", "sh")) else f"{name}s"
