"""Where the form of a step stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

from deskhand.accounts.types import Viewer
from deskhand.automation.engine.definition import Definition
from deskhand.crm.filters.types import Condition
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.building import Building, Typed
from deskhand.web.workflows.editor.words import Telling


class Surroundings(ABC):
    """What a form asks of where its step stands: a workflow open in the editor, or a lane in its drawer."""

    viewer: Viewer

    @property
    @abstractmethod
    def definition(self) -> Definition: ...

    @property
    @abstractmethod
    def pipeline_id(self) -> int | None:
        """Whose lane it is; None for a workflow that stands alone."""

    @property
    @abstractmethod
    def is_live(self) -> bool:
        """Whether what is saved runs from then on, and nobody can take it back."""

    @cached_property
    def telling(self) -> Telling:
        return Telling(self.viewer, self.definition)

    @property
    def asked(self) -> Asked:
        return self.telling.asked

    def building(self, name: str, condition: Condition | None, typed: Typed | None) -> Building:
        """A condition of a form: as it was sent, else as it stands."""
        return Building.of(self.asked, name, condition, typed)
