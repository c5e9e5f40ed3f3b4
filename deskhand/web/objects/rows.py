"""What the pages about kinds of record show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.web.choices import Choice, Tab
from deskhand.web.filters.bar import Bar as FilterBar
from deskhand.web.inbox.rows import Label


@dataclass(frozen=True)
class Bar:
    """Above the pages of one pipeline: which one, and what of it."""

    pipelines: tuple[Choice, ...]
    part: str
    segments: tuple[Tab, ...]
    list_url: str = ""


@dataclass(frozen=True)
class PipelineLine:
    id: int
    label: str
    statuses: tuple[tuple[str, str], ...]  # label and tone
    url: str
    delete_url: str
    is_default: bool


@dataclass(frozen=True)
class StatusLine:
    """A status in the form that arranges them. `key` is its id, or a word for a new one."""

    key: str
    label: str
    tone: str
    is_open: bool
    count_text: str = ""
    delete_url: str = ""
    error: str = ""


@dataclass(frozen=True)
class Dependent:
    """What names a status or property that is to go."""

    icon: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class LabelLine:
    """A label of links, as seen from the kind of record whose page it is. The product's own has no addresses."""

    id: int
    label: str
    inverse: str  # the other word of a pair
    name: str  # for programs
    count_text: str = ""
    save_url: str = ""
    delete_url: str = ""
    error: str = ""
    error_field: str = ""


@dataclass(frozen=True)
class LabelGroup:
    """The labels between two kinds of records."""

    title: str
    icon: str
    lines: tuple[LabelLine, ...]


@dataclass(frozen=True)
class AskLine:
    property: str
    label: str
    is_required: bool


@dataclass(frozen=True)
class StatusRules:
    id: int
    label: str
    tone: str
    is_creatable: bool
    asks: tuple[AskLine, ...]
    offers: tuple[Choice, ...]


@dataclass(frozen=True)
class CardLine:
    """A property in the form that chooses what cards show, and in which part of them it stands."""

    name: str
    label: str
    where: str


@dataclass(frozen=True)
class PropertyLine:
    label: str
    name: str
    kind: str
    is_built_in: bool
    url: str = ""
    filling: str = ""  # what a filterable one says about itself


@dataclass(frozen=True)
class PropertyPart:
    """A group of properties in the list. What the product sets by itself is folded away until somebody searches."""

    key: str
    label: str
    lines: tuple[PropertyLine, ...]
    is_folded: bool = False


@dataclass(frozen=True)
class OptionLine:
    key: str
    label: str
    value: str
    tone: str
    is_hidden: bool = False
    is_stored: bool = False


@dataclass(frozen=True)
class TagLine(OptionLine):
    """`rule_url` leads to its rule; of a new one, and of a retired one without a rule, there is none."""

    rule_url: str = ""
    rule_text: str = ""
    has_rule: bool = False


@dataclass(frozen=True)
class TagRulePage:
    """Which tickets wear a tag. `fields` are the filters as they stand; POST them to `save_url`."""

    title: str
    tag: Label
    bar: FilterBar
    fields: tuple[tuple[str, str], ...]
    save_url: str
    back_url: str
    remove_url: str  # POST; empty while there is no rule
    count: int = 0
    reason: str = ""  # why they can't be counted
    problem: str = ""  # why the saved rule can't be asked any more
    progress: str = ""
    error: str = ""
    dependents: tuple[Dependent, ...] = ()


@dataclass(frozen=True)
class PropertyForm:
    """What the form of a property holds, as stored or as typed."""

    label: str = ""
    name: str = ""
    type: str = "string:text"
    group: str = ""
    description: str = ""
    is_filterable: bool = False
    is_unique: bool = False
    options: tuple[OptionLine, ...] = ()


@dataclass(frozen=True)
class GroupLine:
    key: str
    label: str
    count: int = 0


@dataclass(frozen=True)
class LayoutSection:
    key: str
    label: str
    properties: tuple[Choice, ...]


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    url: str = ""
    link: str = ""
