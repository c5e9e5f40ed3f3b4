"""Icons: one SVG sprite made of lucide's drawings, and the markup that points into it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from xml.etree import ElementTree
from zipfile import ZipFile

from django.templatetags.static import static
from markupsafe import Markup

_NAMES = """
copy activity alarm-clock archive arrow-down arrow-left arrow-up arrow-up-down at-sign bell bell-ring
arrow-left-right
book-open bot braces building-2 calendar chart-column check chevron-down chevron-right chevrons-up-down
circle circle-alert fold-horizontal unfold-horizontal circle-check circle-dashed circle-dot clipboard-list clock corner-down-right download ellipsis
external-link eye file-text flag folder git-branch globe grid-2x2 grip-vertical history hourglass inbox info key-round
git-merge
keyboard languages layout-grid link list list-filter lock log-out mail mail-open mail-warning menu
merge party-popper rocket message-circle message-square message-square-quote message-square-text messages-square moon move panel-left panel-right
paperclip pencil phone pin pin-off plus refresh-cw reply rotate-ccw route rows-2 rows-4 search send settings shield-alert shield-check
sliders-horizontal smartphone sparkles split square-kanban star sun sun-moon tag ticket trash-2
bold calendar-clock code-xml file-archive file-spreadsheet image italic list-ordered remove-formatting text-quote type undo-2
box package truck warehouse hammer wrench cpu laptop car house map-pin receipt credit-card shopping-cart graduation-cap
stethoscope leaf handshake folder-kanban boxes message-square-reply
triangle-alert unlink user user-check user-round user-round-x user-plus user-x users users-round webhook workflow x zap
arrow-right list-checks maximize minus play power redo-2 shuffle
"""
#: Every icon the screens may use. A name missing here stops the page, so that no hole appears in silence.
NAMES = frozenset(_NAMES.split())
SPRITE = "icons.svg"


@cache
def icon(name: str, size: int = 16) -> Markup:
    """Return the icon, hidden from assistive technology: the word beside it is the name.

    `size` in pixels beside text of the usual size; it grows with the reader's text.
    """
    if name not in NAMES:
        raise KeyError(f"{name} is not in deskhand.web.icons.NAMES")
    return Markup(
        '<svg class="icon" width="{size}rem" height="{size}rem" aria-hidden="true" focusable="false">'
        '<use href="{sprite}#{name}"/></svg>'
    ).format(size=size / 16, sprite=_sprite_url(), name=name)


@cache
def _sprite_url() -> str:
    return static(SPRITE)


@cache
def sprite() -> str:
    """Return the sprite. Raises KeyError for a name that lucide does not have.

    Lucide itself would open its archive of 1,700 drawings anew for each, which takes longer than all the rest of a start.
    """
    with (resources.files("lucide") / "lucide.zip").open("rb") as file, ZipFile(file) as drawings:
        symbols = "".join(_symbol(name, drawings.read(f"{name}.svg")) for name in sorted(NAMES))
    return f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>\n'


def _symbol(name: str, drawn: bytes) -> str:
    drawing = ElementTree.fromstring(drawn.replace(b' xmlns="http://www.w3.org/2000/svg"', b"", 1))
    shapes = "".join(ElementTree.tostring(shape, encoding="unicode").strip() for shape in drawing)
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
        f'stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
    )
