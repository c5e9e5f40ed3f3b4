"""Bodies of the operations on forms and on what is sent in by them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from deskhand.api.objects.shapes import Paging
from deskhand.api.shapes import Shape

MOST_FIELDS = 200  # questions of a form
DEEPEST = 5  # questions that depend on questions
Text = Annotated[str, Field(max_length=10_000)]


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Kept(Shape):
    """Of what we make no use, it is kept and given back as it came."""

    model_config = ConfigDict(extra="allow")


class Option(Kept):
    label: Text
    value: Text
    display_order: int = 0
    description: Text | None = None


class Dependent(Kept):
    dependent_condition: dict[str, Any]
    dependent_field: FormField


class FormField(Kept):
    object_type_id: str = "0-1"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    label: Text = ""
    field_type: Text = "single_line_text"
    required: bool = False
    hidden: bool = False
    options: Annotated[list[Option], Field(max_length=1000)] | None = None
    dependent_fields: Annotated[list[Dependent], Field(max_length=MOST_FIELDS)] = []


class Group(Kept):
    group_type: Literal["default_group", "progressive", "queued"] = "default_group"
    rich_text_type: Literal["text", "image"] = "text"
    fields: Annotated[list[FormField], Field(max_length=MOST_FIELDS)] = []


class AfterSending(Shape):
    type: Literal["thank_you", "redirect_url"]
    value: Text


class Configuration(Kept):
    language: Annotated[str, Field(max_length=10)] = "en"
    cloneable: bool = True
    editable: bool = True
    archivable: bool = True
    post_submit_action: AfterSending = AfterSending(type="thank_you", value="Thank you.")
    create_new_contact_for_new_email: bool = True
    pre_populate_known_values: bool = False
    allow_link_to_reset_known_values: bool = False
    recaptcha_enabled: bool = False
    notify_contact_owner: bool = False
    notify_recipients: list[str] = []


class DisplayOptions(Kept):
    render_raw_html: bool = False
    theme: Literal["default_style", "canvas", "linear", "round", "sharp", "legacy"] = "default_style"
    submit_button_text: Text = "Submit"
    style: dict[str, Any] = {}


class Consent(Kept):
    type: Annotated[str, Field(max_length=100)] = "none"


class NewForm(Shape):
    form_type: Literal["hubspot"] = "hubspot"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    field_groups: Annotated[list[Group], Field(max_length=MOST_FIELDS)] = []
    configuration: Configuration = Configuration()
    display_options: DisplayOptions = DisplayOptions()
    legal_consent_options: Consent = Consent()


class ChangedForm(Shape):
    """What is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    field_groups: Annotated[list[Group], Field(max_length=MOST_FIELDS)] | None = None
    configuration: Configuration | None = None
    display_options: DisplayOptions | None = None
    legal_consent_options: Consent | None = None
    archived: bool | None = None


class Definition(NewForm):
    id: str
    created_at: str
    updated_at: str
    archived: bool
    archived_at: str | None = None


class Definitions(Shape):
    results: list[Definition]
    paging: Paging | None = None


# ── what is sent in ──────────────────────────────────────────────────────────────────────────────────────────────────


class SentValue(Shape):
    name: str
    value: str
    object_type_id: str | None = None


class Context(Shape):
    hutk: str | None = None
    ip_address: str | None = None
    page_uri: str | None = None
    page_name: str | None = None
    page_id: str | None = None


class Communication(Shape):
    value: bool
    subscription_type_id: int
    text: str | None = None


class ConsentGiven(Shape):
    consent_to_process: bool = False
    text: str | None = None
    communications: list[Communication] = []


class Interest(Shape):
    value: bool
    subscription_type_id: int
    legal_basis: str | None = None
    text: str | None = None


class Legal(Shape):
    consent: ConsentGiven | None = None
    legitimate_interest: Interest | None = None


class Submission(Shape):
    submitted_at: str | None = None
    fields: list[SentValue]
    context: Context | None = None
    legal_consent_options: Legal | None = None
    skip_validation: bool = False


class Thanks(Shape):
    inline_message: str | None = None
    redirect_uri: str | None = None


class ReadValue(Shape):
    name: str
    value: str
    object_type_id: str


class ReadSubmission(Shape):
    submitted_at: int
    page_url: str
    values: list[ReadValue]


class Submissions(Shape):
    results: list[ReadSubmission]
    paging: Paging | None = None
