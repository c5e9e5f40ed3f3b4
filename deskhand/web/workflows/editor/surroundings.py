"""Where the form of a step stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deskhand.accounts.types import Viewer
from deskhand.automation.engine.definition import Definition
from deskhand.crm.filters.types import Condition
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.building import Building, Typed

if TYPE_CHECKING:
    from deskhand.web.workflows.editor.words import Telling


class Surroundings(Protocol):
    """What a form asks of where its step stands: a workflow open in the editor, or a lane in its drawer."""

    @property
    def viewer(self) -> Viewer: ...
    @property
    def definition(self) -> Definition: ...
    @property
    def telling(self) -> Telling: ...
    @property
    def asked(self) -> Asked: ...
    @property
    def pipeline_id(self) -> int | None:
        """Whose lane it is; None for a workflow that stands alone."""

    @property
    def is_live(self) -> bool:
        """Whether what is saved runs from then on, and nobody can take it back."""

    def building(self, name: str, condition: Condition | None, typed: Typed | None) -> Building:
        """A condition of a form: as it was sent, else as it stands."""
