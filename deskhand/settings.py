"""Django's settings. Every value works with nothing set; docs/settings.md explains each name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf.locale import LANG_INFO

from deskhand.kernel import env, site
from deskhand.kernel.database import url as database_url
from deskhand.kernel.errors import Misconfigured
from deskhand.kernel.secrets import encryption_key, secret_key

BASE_DIR = Path(__file__).resolve().parent
DATA_DIR = database_url.data_directory()

DEBUG = env.flag("DESKHAND_DEBUG", False)
SECRET_KEY = secret_key()
ENCRYPTION_KEY = encryption_key()
ENCRYPTION_KEYS_BEFORE = env.words("ENCRYPTION_KEYS_BEFORE")  # still read, never written with
SITE_URL = env.site("SITE_URL", site.kept())
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "*")
CSRF_TRUSTED_ORIGINS = [SITE_URL]
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
SECURE_COOKIES = SITE_URL.startswith("https://")

ROOT_URLCONF = "deskhand.urls"
SILENCED_SYSTEM_CHECKS = ["urls.W002"]  # addresses don't end in a slash, so their parts begin with one
ASGI_APPLICATION = "deskhand.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "allauth",
    "allauth.account",
    "procrastinate.contrib.django",
    "deskhand.kernel",
    "deskhand.delivery",
    "deskhand.events",
    "deskhand.accounts",
    "deskhand.crm",
    "deskhand.desk",
    "deskhand.routing",
    "deskhand.notifications",
    "deskhand.channels.email",
    "deskhand.channels.forms",
    "deskhand.channels.portal",
    "deskhand.automation",
    "deskhand.webhooks",
    "deskhand.web",
]
# Ways to sign in beyond the password are switched on by configuration.
SIGN_IN_WITH = set(env.words("SIGN_IN_WITH"))
if SIGN_IN_WITH - {"totp", "passkeys", "oidc"}:
    raise Misconfigured(
        "SIGN_IN_WITH", ",".join(sorted(SIGN_IN_WITH)), "any of totp, passkeys, oidc, with commas between"
    )
if {"totp", "passkeys"} & SIGN_IN_WITH:
    INSTALLED_APPS.append("allauth.mfa")
    MFA_ADAPTER = "deskhand.accounts.second_factor.SecondFactorAdapter"
    MFA_SUPPORTED_TYPES = [
        "recovery_codes",
        *({"totp"} & SIGN_IN_WITH),
        *(["webauthn"] if "passkeys" in SIGN_IN_WITH else []),
    ]
    MFA_PASSKEY_LOGIN_ENABLED = "passkeys" in SIGN_IN_WITH
OIDC_DOMAINS = env.words("OIDC_DOMAINS")  # whose addresses the provider may speak for; empty: nobody's
if "oidc" in SIGN_IN_WITH:
    INSTALLED_APPS += ["allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"]
    SOCIALACCOUNT_ADAPTER = "deskhand.accounts.single_sign_on.SingleSignOnAdapter"
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "oidc",
                    "name": env.text("OIDC_NAME", "Single sign-on"),
                    "client_id": env.required(
                        "OIDC_CLIENT_ID", "what the provider calls Deskhand, with SIGN_IN_WITH=oidc"
                    ),
                    "secret": env.secret("OIDC_CLIENT_SECRET"),
                    "settings": {"server_url": env.site("OIDC_ISSUER", "")},
                }
            ]
        }
    }

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "deskhand.api.entrance.api",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "deskhand.web.middleware.security_headers",
    "deskhand.web.middleware.account_of_the_request",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "web" / "templates"],
        "OPTIONS": {
            "environment": "deskhand.web.jinja.environment",
            "context_processors": ["django.contrib.messages.context_processors.messages"],
        },
    },
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
]

DATABASE_URL = env.secret("DATABASE_URL") or database_url.embedded(DATA_DIR)
DATABASES = {
    "default": database_url.django_settings(DATABASE_URL, pool=env.whole("DATABASE_POOL", 16, at_most=500))
}
if os.environ.get("DESKHAND_TEST_DATABASE"):
    DATABASES["default"]["TEST"] = {"NAME": os.environ["DESKHAND_TEST_DATABASE"]}
#: LISTEN never goes through PgBouncer: the direct address of the same database.
DATABASE_LISTEN_URL = env.secret("DATABASE_LISTEN_URL") or DATABASE_URL
database_url.require_address("DATABASE_LISTEN_URL", DATABASE_LISTEN_URL)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "deskhand.accounts.adapter.AccountAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_USER_MODEL_USERNAME_FIELD = "username"
ACCOUNT_RATE_LIMITS: dict[str, Any] = {
    "login": None
}  # ours counts in the database, for all processes at once
PASSWORD_RESET_TIMEOUT = 86_400  # seconds
#: What allauth counts per process otherwise, two-factor guesses among it.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kernel_cache"}}

LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("it", "Italiano"),
    ("nb", "Norsk bokmål"),
]
for norwegian in ("no", "nn"):  # what browsers may ask for
    LANG_INFO[norwegian]["fallback"] = ["nb"]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = env.folder("STATIC_ROOT", DATA_DIR / "static")
FILES_ROOT = env.folder("FILES_ROOT", DATA_DIR / "files")
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": FILES_ROOT},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "deskhand.web.assets.GeneratedFinder",
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "deskhand.web.errors.form_is_old"
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "SAMEORIGIN"
SECURE_REFERRER_POLICY = "same-origin"

# Mail of the product itself (replies, notifications) leaves through delivery; these are its settings.
MAIL_FROM = env.text("MAIL_FROM")  # sender of the product's own mail; empty: deskhand@<host of SITE_URL>
DEMO = env.flag("DESKHAND_DEMO")  # its mail stays in the built-in mailbox
SMTP_URL = env.secret(
    "SMTP_URL", "sink:" if DEMO else ""
)  # smtp://user:password@host:587, smtps://…; empty: mail waits, visible
MAIL_MAX_BYTES = env.whole("MAIL_MAX_BYTES", 25 * 1024 * 1024, at_least=1024)
UNDO_SEND_SECONDS = env.whole(
    "UNDO_SEND_SECONDS", 10, at_least=0
)  # in which a reply can be taken back; 0: none
#: What automation sends within an hour for an account that has no figure of its own.
CUSTOM_CODE = env.flag("CUSTOM_CODE")  # accounts may switch on code of their own in workflows
AUTOMATION_SENDS_PER_HOUR = env.whole("AUTOMATION_SENDS_PER_HOUR", 20_000, at_least=1)
ROUTING_DECISION_DAYS = env.whole("ROUTING_DECISION_DAYS", 400, at_least=31, at_most=36_500)

LOGGING_CONFIG = None
