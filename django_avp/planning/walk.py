"""A walk through a compiled template that notes what its ``{% can %}`` tags will ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.template import Engine
from django.template.loaders import app_directories, cached, filesystem, locmem

from django_avp.planning.errors import leave_to_rendering
from django_avp.planning.reading import Reader
from django_avp.planning.scope import Scope

if TYPE_CHECKING:
    from django_avp.planning.compiling import Compiled
    from django_avp.planning.steps import Step
    from django_avp.templating import Question

__all__ = ["Walk", "is_free"]

# A page of thousands of rows stays below; a template that includes itself under conditions that only rendering knows
# does not.
_MOST_STEPS = 50_000
_MOST_NESTED = 40


class TooLongError(Exception):
    """Raised when a template is not walked to its end; what was found until then is planned."""


class Walk:
    """The state of one walk: the names that are seen, how certain it is that rendering comes here, what was found.

    Args:
        engine: loads what is included and extended.
        compiled: gives the steps of a template.
        scope: the names at its beginning.
        reader: reads expressions.
    """

    def __init__(self, engine: Engine, compiled: Callable[[Any], Compiled], scope: Scope, reader: Reader) -> None:
        self.engine = engine
        self.compiled = compiled
        self.scope = scope
        self.reader = reader
        self.questions: list[Question] = []
        # The blocks of a template that is extended, by name, the one to show last; None where none is.
        self.blocks: dict[str, list[Sequence[Step]]] | None = None
        self.block: str | None = None
        self.ancestors: list[Any] = []
        self._nested = 0
        self._left = _MOST_STEPS
        self._asking: dict[Step, bool] = {}
        self._selected: dict[tuple[str, ...], Any] = {}

    def value(self, expression: Any, missing: Any = None) -> Any:
        """Read an expression; see :meth:`Reader.value`."""
        return self.reader.value(expression, self.scope, missing=missing)

    def run(self, steps: Sequence[Step]) -> None:
        """Take steps in order."""
        for step in steps:
            self._left -= 1
            if self._left < 0:
                raise TooLongError
            step.take(self)

    def enter(self, template: Any, scope: Scope | None = None) -> None:
        """Walk through another template, which sees these names or those of ``scope``."""
        before = self.scope, self.blocks, self.block, self.ancestors
        if self._nested >= _MOST_NESTED:
            raise TooLongError
        self._nested += 1
        self.scope, self.blocks, self.block, self.ancestors = scope or self.scope, None, None, []
        try:
            self.run(self.compiled(template).steps)
        finally:
            self.scope, self.blocks, self.block, self.ancestors = before
            self._nested -= 1

    @contextmanager
    def perhaps(self) -> Iterator[None]:
        """A part of the template that rendering may leave out."""
        before, self.reader.is_certain = self.reader.is_certain, False
        try:
            yield
        finally:
            self.reader.is_certain = before

    def asks(self, steps: Sequence[Step]) -> bool:
        """Whether there is a check in any of these steps, or may be one."""
        return any(self._asks(step) for step in steps)

    def _asks(self, step: Step) -> bool:
        if step not in self._asking:
            self._asking[step] = False  # a template that includes itself asks what it asks apart from that
            self._asking[step] = step.asks(self)
        return self._asking[step]

    # Templates

    def select(self, *names: str) -> Any:
        """The first template of these names, or ``None``."""
        if names not in self._selected:
            self._selected[names] = self._loaded(lambda: self.engine.select_template(list(names)))
        return self._selected[names]

    def parent(self, name: str, node: Any) -> Any:
        """The template that another one extends: one of the same name is another one further down, as in Django."""
        history = self.ancestors = self.ancestors or [node.origin]

        def find() -> Any:
            template, origin = self.engine.find_template(name, skip=history)
            history.append(origin)
            return template

        return self._loaded(find)

    def _loaded(self, load: Callable[[], Any]) -> Any:
        if not all(is_free(loader) for loader in self.engine.template_loaders):
            return None
        try:
            return load()
        except Exception as error:
            leave_to_rendering(error)
            return None


def is_free(loader: Any) -> bool:
    """Whether to load a template once more costs no query: it is kept, or read from where files are."""
    return isinstance(loader, cached.Loader | filesystem.Loader | app_directories.Loader | locmem.Loader)
