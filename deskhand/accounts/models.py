"""Tables of accounts (tenants), users, memberships, teams, roles, API tokens, the audit and sign-in attempts."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from deskhand.kernel import clock


class Plan(models.TextChoices):
    """Presets of feature flags (R-TIER-1). A fresh account has everything."""

    FREE = "free", _("Free")
    STARTER = "starter", _("Starter")
    PROFESSIONAL = "professional", _("Professional")
    ENTERPRISE = "enterprise", _("Enterprise")
    EVERYTHING = "everything", _("Everything")


class Account(models.Model):
    """A tenant: one company, walled off from all others."""

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    zone = models.CharField(max_length=64, default="UTC")
    locale = models.CharField(max_length=16, default="en")
    plan = models.CharField(max_length=16, choices=Plan, default=Plan.EVERYTHING)
    #: Feature name → on or off, on top of the plan's preset.
    features = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(plan__in=Plan.values), name="account_plan_known"),
            models.CheckConstraint(condition=Q(slug=Lower("slug")), name="account_slug_lower"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(username=(username or "").lower())


class User(AbstractBaseUser):
    """A person, known once in the installation. What they may do in an account is their membership's matter."""

    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(max_length=254, unique=True)  # 254: RFC 5321 path limit
    name = models.CharField(max_length=200)
    #: Sorts names alike on every server; computed by users.sort_key.
    sort_key = models.TextField(default="", db_index=True)
    locale = models.CharField(max_length=16, blank=True, default="")
    zone = models.CharField(max_length=64, blank=True, default="")
    theme = models.CharField(max_length=16, blank=True, default="")
    #: Single-key shortcuts; whoever dictates to the computer switches them off (WCAG 2.1.4).
    has_shortcuts = models.BooleanField(default=True)
    #: Where closing a ticket leads: next, stay, list.
    after_close = models.CharField(max_length=8, default="next")
    date_joined = models.DateTimeField(default=clock.now)
    is_active = models.BooleanField(default=True)
    #: Raised to end every session of the user at once.
    session_epoch = models.IntegerField(default=0)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email", "name"]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower"),
            models.CheckConstraint(condition=Q(username=Lower("username")), name="user_username_lower"),
            # An e-mail address as username would let one person stand in the way of another's sign-in.
            models.CheckConstraint(condition=~Q(username__contains="@"), name="user_username_no_at"),
            models.CheckConstraint(condition=~Q(email="") & ~Q(username=""), name="user_has_names"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        return self.name

    def get_session_auth_hash(self) -> str:
        return self._session_hash(None)

    def get_session_auth_fallback_hash(self) -> Any:
        from django.conf import settings

        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(secret)

    def _session_hash(self, secret: str | bytes | None) -> str:
        value = f"{self.password}:{self.session_epoch}"
        return salted_hmac("deskhand.accounts.session", value, secret=secret, algorithm="sha256").hexdigest()


class Role(models.Model):
    """A named set of permissions; `permissions` has the shape that roles.parse reads."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=100)
    #: The preset it was made from; empty for the account's own.
    key = models.CharField(max_length=32, blank=True, default="")
    permissions = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="role_name_once"),
            models.UniqueConstraint(fields=["account", "id"], name="role_of_account"),
            models.UniqueConstraint(fields=["account", "key"], condition=~Q(key=""), name="role_preset_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user in an account. Exempt from row-level security: sign-in reads it before the account is chosen."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    is_super_admin = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    #: May be routed to, set rules, use custom views (R-SEAT-1).
    has_seat = models.BooleanField(default=True)
    role = models.ForeignKey(Role, null=True, blank=True, on_delete=models.PROTECT)
    #: Degrees on the color wheel of the person's picture.
    hue = models.SmallIntegerField(default=0)
    #: "Get started" stands in their rail, until they put it away.
    sees_start = models.BooleanField(default=False)
    #: When the present invitation was sent; empty for who has joined.
    invited_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(hue__gte=0, hue__lt=360), name="membership_hue_on_wheel"),
            models.CheckConstraint(
                condition=Q(invited_at=None) | Q(is_active=False), name="membership_invited_not_in"
            ),
        ]


class Team(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=100)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="team_name_once"),
            models.UniqueConstraint(fields=["account", "id"], name="team_of_account"),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="team_not_its_own_parent"),
        ]

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """One main team and any number of extra ones per user (R-TEAM-1)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="team_memberships", db_index=False)
    is_main = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "team", "user"], name="team_member_once"),
            models.UniqueConstraint(
                fields=["account", "user"], condition=Q(is_main=True), name="one_main_team"
            ),
        ]
        indexes = [models.Index(fields=["account", "user"], name="team_member_by_user")]


class ApiToken(models.Model):
    """A private app's key. Exempt from row-level security: a request's token names its account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    #: Acts as this user; None acts for the account within its scopes.
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    #: First characters, shown in lists so that people can tell tokens apart.
    prefix = models.CharField(max_length=16)
    hash = models.CharField(max_length=64, unique=True)  # SHA-256 in hex
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=clock.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="tokens_made"
    )
    #: How many calls it may make in ten seconds, and in a day of UTC; None: as many as it likes.
    per_ten_seconds = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    #: What it has used of that, counted only where there is a limit (rates.py).
    busy_until = models.DateTimeField(null=True, blank=True)
    day_on = models.DateField(null=True, blank=True)
    day_count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["account", "-created_at", "id"], name="api_token_newest")]


class App(models.Model):
    """A program of others that works with this account. Exempt from row-level security: its client id names its account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=100)
    #: What it calls itself; public.
    client_id = models.UUIDField(default=uuid4, unique=True)
    secret = models.TextField()  # encrypted
    redirect_urls = models.JSONField(default=list)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=clock.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "id"], name="app_of_account")]

    def __str__(self) -> str:
        return self.name


class ApiRequest(models.Model):
    """A call that a token made, kept for 30 days. What was sent and answered is not."""

    account_id = models.BigIntegerField()
    at = models.DateTimeField()
    token_id = models.BigIntegerField()
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=300)  # without the query, where clients put names and secrets
    status = models.SmallIntegerField()
    milliseconds = models.IntegerField()
    correlation_id = models.UUIDField()  # in the answer, too
    category = models.CharField(max_length=40, blank=True, default="")  # of an error
    agent = models.CharField(max_length=200, blank=True, default="")  # what the program calls itself

    class Meta:
        indexes = [
            models.Index(fields=["account_id", "-id"], name="api_request_newest"),
            models.Index(fields=["account_id", "token_id", "-id"], name="api_request_of_token"),
            models.Index(
                fields=["account_id", "-id"], name="api_request_refused", condition=Q(status__gte=400)
            ),
            models.Index(fields=["account_id", "at"], name="api_request_by_day"),
        ]


class AuditEntry(models.Model):
    """What an admin changed. Append-only; each entry's hash covers the one before it in its account."""

    account_id = models.BigIntegerField()
    number = models.BigIntegerField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True, blank=True)
    action = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32)
    target_id = models.BigIntegerField(null=True, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "number"], name="audit_number_once")]
        indexes = [
            models.Index(
                fields=["account_id", "target_type", "target_id", "-number"], name="audit_of_target"
            ),
            models.Index(fields=["account_id", "actor_id", "-number"], name="audit_of_actor"),
            models.Index(fields=["account_id", "action", "-number"], name="audit_of_action"),
            models.Index(fields=["account_id", "at"], name="audit_by_day"),
        ]


class SignInAttempt(models.Model):
    """How often a name or a network tried to sign in, in the running window."""

    #: "name:…" (hashed) or "network:…"
    key = models.CharField(max_length=100, unique=True)
    count = models.IntegerField(default=0)
    started_at = models.DateTimeField(db_index=True)


class SetUpToken(models.Model):
    """Opens the set-up of an installation without any account; one row, gone once it was used."""

    digest = models.CharField(max_length=64)  # SHA-256 in hex
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_set_up_token")]
