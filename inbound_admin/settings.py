"""Settings from the environment. `.env.example` lists each with its meaning and default."""

import os
from pathlib import Path

import django_stubs_ext
from csp.constants import SELF
from django.core.exceptions import ImproperlyConfigured

from inbound_admin.lib.environment import Environment
from inbound_admin.lib.lanes import run_in_lane
from inbound_admin.lib.logs import logging_config, name_the_job
from sandbox.local import plan

django_stubs_ext.monkeypatch()  # lets Django's generic classes have type arguments at run time

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
env.read_env(BASE_DIR / ".env")

# --- this deployment -------------------------------------------------------------------------------------------------
SANDBOX = env.bool("SANDBOX", default=False)
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not (SANDBOX or DEBUG):
        raise ImproperlyConfigured("SECRET_KEY is not set. Put a long random string into the environment or .env.")
    SECRET_KEY = "the sandbox and DEBUG alone start with this one"  # noqa: S105  it protects nothing
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SEALING_KEY = env.str("SEALING_KEY", default="")  # empty: SECRET_KEY encrypts stored secrets
SEALING_KEY_FALLBACKS = env.list("SEALING_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_FAILURE_VIEW = "inbound_admin.middleware.form_expired"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_NAME = env.str("SITE_NAME", default="Inbound Admin")

# --- AWS and DNS -----------------------------------------------------------------------------------------------------
AWS_REGION = env.str("AWS_REGION", default=env.str("AWS_DEFAULT_REGION", default="eu-west-1"))
AWS_ENDPOINT_URL = env.str("AWS_ENDPOINT_URL", default="")
AWS_CALLS_PER_SECOND = env.float("AWS_CALLS_PER_SECOND", default=0.9)  # SES allows 1. 0: no limit
AWS_PAGE_PATIENCE_SECONDS = env.float("AWS_PAGE_PATIENCE_SECONDS", default=2.0)
DNS_RESOLVERS = tuple(env.list("DNS_RESOLVERS", default=[]))
DNS_TIMEOUT_SECONDS = env.float("DNS_TIMEOUT_SECONDS", default=3.0)
CHECK_NOW_EVERY_SECONDS = env.int("CHECK_NOW_EVERY_SECONDS", default=10)
DIAGNOSIS_KEPT_SECONDS = env.int("DIAGNOSIS_KEPT_SECONDS", default=15)
DNS_HISTORY_DAYS = env.int("DNS_HISTORY_DAYS", default=90)
SHARE_LINK_DAYS = env.int("SHARE_LINK_DAYS", default=14)
UNPROVEN_DOMAIN_DAYS = env.int("UNPROVEN_DOMAIN_DAYS", default=30)  # 0: never deleted
UNPROVEN_WARNING_DAYS = env.int("UNPROVEN_WARNING_DAYS", default=7)
UNPROVEN_DOMAINS_PER_CUSTOMER = env.int("UNPROVEN_DOMAINS_PER_CUSTOMER", default=200)  # 0: no limit

# --- the JSON API ----------------------------------------------------------------------------------------------------
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", default=600)  # of each caller; 0: no limit
API_WAIT_SECONDS = env.float("API_WAIT_SECONDS", default=8.0)

# --- tenants ---------------------------------------------------------------------------------------------------------
TENANT_FOR_NEW_CUSTOMERS = env.bool("TENANT_FOR_NEW_CUSTOMERS", default=True)
TENANT_POLICY = env.str("TENANT_POLICY", default="standard")
TENANT_TEMPLATES = tuple(env.list("TENANT_TEMPLATES", default=[]))  # templates that every customer may use
PAUSE_PROOF_SECONDS = env.int("PAUSE_PROOF_SECONDS", default=60)
SES_TENANTS = env.int("SES_TENANTS", default=10_000)
TENANTS_INCLUDED = env.int("TENANTS_INCLUDED", default=1000)  # free of charge, per account and region
TENANT_MONTHLY_PRICE = env.float("TENANT_MONTHLY_PRICE", default=0.005)  # US dollars, as third parties report it
RATES_EVERY_MINUTES = env.int("RATES_EVERY_MINUTES", default=60)
RATES_KEPT_DAYS = env.int("RATES_KEPT_DAYS", default=35)
SNS_TOPIC_ARNS = tuple(env.list("SNS_TOPIC_ARNS", default=[]))

# --- receiving -------------------------------------------------------------------------------------------------------
RULE_SET = env.str("RULE_SET", default="inbound-mail")
RECEIVING_BUCKET = env.str("RECEIVING_BUCKET", default="inbound-mail")
RECEIVING_BUCKET_ROLE = env.str("RECEIVING_BUCKET_ROLE", default="")
RECEIVING_PREFIX = env.str("RECEIVING_PREFIX", default="")
RECEIVING_PREFIX_EACH_DOMAIN = env.bool("RECEIVING_PREFIX_EACH_DOMAIN", default=False)
RECEIVING_CATCH_ALL_PREFIX = env.str("RECEIVING_CATCH_ALL_PREFIX", default="")
RECEIVING_FUNCTION = env.str("RECEIVING_FUNCTION", default="inbound-mail-handler")
RECEIVING_TOPIC = env.str("RECEIVING_TOPIC", default="")
RECEIVING_TLS_REQUIRED = env.bool("RECEIVING_TLS_REQUIRED", default=False)
RECOMMEND_MTA_STS = env.bool("RECOMMEND_MTA_STS", default=True)
MTA_STS_PORT = env.int("MTA_STS_PORT", default=443)
MTA_STS_AUTHORITIES = env.str("MTA_STS_AUTHORITIES", default="")  # PEM; empty: the system's
RECEIVING_SCAN = env.bool("RECEIVING_SCAN", default=True)
FORWARD_WITHOUT_CONFIRMATION = env.bool("FORWARD_WITHOUT_CONFIRMATION", default=False)
RECEIVING_WAIT_SECONDS = env.int("RECEIVING_WAIT_SECONDS", default=3)
RECEIVING_SMALL_CHANGE = env.int("RECEIVING_SMALL_CHANGE", default=50)
RECEIVING_CONFIRM_PERCENT = env.int("RECEIVING_CONFIRM_PERCENT", default=33)
RECEIVED_MAIL_DAYS = env.int("RECEIVED_MAIL_DAYS", default=90)  # 0: for ever
TEST_MESSAGE_MINUTES = env.int("TEST_MESSAGE_MINUTES", default=5)
RECEIVING_SECOND_PERSON = env.bool("RECEIVING_SECOND_PERSON", default=False)
SES_RULES_PER_SET = env.int("SES_RULES_PER_SET", default=200)
SES_RECIPIENTS_PER_RULE = env.int("SES_RECIPIENTS_PER_RULE", default=500)
SES_IDENTITIES = env.int("SES_IDENTITIES", default=10_000)
DEMO_PROGRESS = env.str("DEMO_PROGRESS", default="")  # file with the progress of `make run`'s demo
if SANDBOX:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "sandbox")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "sandbox")

# --- alerts and webhooks out -----------------------------------------------------------------------------------------
SITE_URL = env.str("SITE_URL", default="")
WEBHOOKS_MAY_BE_PRIVATE = env.bool("WEBHOOKS_MAY_BE_PRIVATE", default=SANDBOX)
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", default=10.0)
WEBHOOK_OFF_AFTER_DAYS = env.int("WEBHOOK_OFF_AFTER_DAYS", default=5)
DOMAIN_CONNECT_PROVIDER = env.str("DOMAIN_CONNECT_PROVIDER", default="")
DOMAIN_CONNECT_SERVICE = env.str("DOMAIN_CONNECT_SERVICE", default="mail")
DOMAIN_CONNECT_KEY = env.str("DOMAIN_CONNECT_KEY", default="", multiline=True)
DOMAIN_CONNECT_KEY_NAME = env.str("DOMAIN_CONNECT_KEY_NAME", default="_dck1")
DOMAIN_CONNECT_MAY_BE_PRIVATE = env.bool("DOMAIN_CONNECT_MAY_BE_PRIVATE", default=SANDBOX)
ALERTS_KEPT_DAYS = env.int("ALERTS_KEPT_DAYS", default=90)
UNSOLICITED_MAILS_PER_DAY = env.int("UNSOLICITED_MAILS_PER_DAY", default=5)  # to each recipient

# --- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "inbound_admin",
    "audit",
    "accounts",
    "notifications",
    "tenants",
    "domains",
    "receipt_rules",
    "operations",
    *(["sandbox"] if SANDBOX else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "heroicons",
    "ninja",
    "csp",
    "pgtrigger",
    "procrastinate.contrib.django",
    "allauth",
    "allauth.account",
    "allauth.mfa",
]

MIDDLEWARE = [
    "inbound_admin.memory.in_one_piece",
    "django.middleware.security.SecurityMiddleware",
    "inbound_admin.responses.Compressed",
    "inbound_admin.responses.response_headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "inbound_admin.metrics.measured",
    "inbound_admin.middleware.request_id",
    "inbound_admin.database_outage.noted",
    "inbound_admin.lib.slow_work.bounded",
    "inbound_admin.responses.unchanged_is_empty",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "inbound_admin.middleware.HostChecked",
    "inbound_admin.middleware.BoundedBody",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "inbound_admin.staff.StaffGuard",
    "inbound_admin.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "inbound_admin.middleware.ExplainProblems",
    *(["sandbox.middleware.HoldWrites"] if SANDBOX else []),
    "inbound_admin.staff.StaffReason",
]

ROOT_URLCONF = "inbound_admin.urls"
WSGI_APPLICATION = "inbound_admin.wsgi.application"

# Both packages would set the loaders themselves and overwrite each other's: see CONTRIBUTING.
LOADERS = [
    "inbound_admin.template_loader.Loader",
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "inbound_admin.context.site",
                *(["sandbox.panel.demo"] if SANDBOX else []),
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [("django.template.loaders.cached.Loader", LOADERS)] if not DEBUG else LOADERS,
                )
            ],
            "builtins": [
                "django.templatetags.tz",
                "django.templatetags.l10n",
                "django_cotton.templatetags.cotton",
                "template_partials.templatetags.partials",
                "django_htmx.templatetags.django_htmx",
                "inbound_admin.templatetags.icons",
                "inbound_admin.templatetags.text",
                "inbound_admin.templatetags.pure",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
COTTON_DIR = "components"

DATABASES = {"default": env.database("DATABASE_URL", default="postgres:///inbound_admin")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A database that stops answering is noticed within half a minute, not after hours. lib/database.py has the database's
# side.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "KEY_FUNCTION": "inbound_admin.lib.stored.cache_key",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # beyond it, Django deletes a third, counts of rate limits included
    },
    # What a process has read of the other until it expires: see inbound_admin/lib/kept_values.py.
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 1_000}},
}

LANGUAGE_CODE = "en-gb"
USE_THOUSAND_SEPARATOR = True  # in templates; IDs, TTLs and attributes of SVG and progress use `unlocalize`
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = False  # English alone; asking for the language would take a tenth of a page's time
USE_TZ = True

# --- sign-in --------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
OPEN_SIGN_UP = env.bool("OPEN_SIGN_UP", default=False)
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "operations.customers.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if OPEN_SIGN_UP else "optional"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "accounts.people.forms.SignInForm",
    "add_email": "accounts.people.forms.AddEmailForm",
    "change_password": "accounts.people.forms.ChangePasswordForm",
    "reset_password_from_key": "accounts.people.forms.ResetPasswordKeyForm",
}
ACCOUNT_RATE_LIMITS = {"reset_password": "20/m/ip,5/h/key"}  # key: per recipient
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # otherwise anyone could make us email anyone
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("PASSWORD_AGAIN_SECONDS", default=600)
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", default=not (DEBUG or SANDBOX))
STAFF_SESSION_HOURS = env.float("STAFF_SESSION_HOURS", default=12.0)
MFA_ADAPTER = "operations.customers.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = SITE_NAME
MFA_FORMS: dict[str, str] = {}

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
_PROBE = env.email_url("PROBE_EMAIL_URL", default="consolemail://")  # empty: test messages use EMAIL_URL
PROBE_EMAIL = (
    {
        "backend": _PROBE["EMAIL_BACKEND"],
        "host": _PROBE["EMAIL_HOST"],
        "port": _PROBE["EMAIL_PORT"],
        "username": _PROBE["EMAIL_HOST_USER"],
        "password": _PROBE["EMAIL_HOST_PASSWORD"],
        "use_tls": _PROBE.get("EMAIL_USE_TLS", False),
        "use_ssl": _PROBE.get("EMAIL_USE_SSL", False),
    }
    if env.str("PROBE_EMAIL_URL", default="")
    else {}
)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Inbound Admin <inbound-admin@localhost>")

# --- response headers ------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": [SELF],
        "base-uri": [SELF],
        "object-src": ["'none'"],
    }
}
HTTPS = env.bool("HTTPS", default=not (DEBUG or SANDBOX))
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
# Raised in steps, because a browser remembers it that long: see .env.example.
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", default=False)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0  # rate limits count by the last address of X-Forwarded-For
X_FRAME_OPTIONS = "DENY"

# --- request limits --------------------------------------------------------------------------------------------------
# Per request. A view that accepts files has its own limit (`accepts_upload`). Django also limits forms and JSON by it.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("REQUEST_MAX_BYTES", default=2_621_440)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 20

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = SANDBOX or DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if SANDBOX or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- limits of concurrency -------------------------------------------------------------------------------------------
# Web: WEB_THREADS requests per process, of which SLOW_REQUESTS_… may wait for the network (`lib/slow_work.py`).
# Worker: WORKER_JOBS jobs and reserved slots per worker (`management/commands/worker.py`), DIAGNOSES_AT_ONCE of all.
# AWS: AWS_CALLS_PER_SECOND, of all processes together (`lib/aws_rate_limit.py`).
WEB_THREADS = env.int("WEB_THREADS", default=plan.WEB_THREADS)  # per process, see gunicorn.conf.py
SLOW_REQUESTS_AT_ONCE = env.int("SLOW_REQUESTS_AT_ONCE", default=max(1, WEB_THREADS // 2))
SLOW_REQUESTS_EACH = env.int("SLOW_REQUESTS_EACH", default=max(1, SLOW_REQUESTS_AT_ONCE // 2))

# --- worker, metrics and retention -----------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
WORKER_JOBS = env.int("WORKER_JOBS", default=4)  # per worker
DIAGNOSES_AT_ONCE = env.int("DIAGNOSES_AT_ONCE", default=max(1, WORKER_JOBS // 2))  # all workers together
PROCRASTINATE_WORKER_DEFAULTS = {"worker_middleware": [name_the_job, run_in_lane], "concurrency": WORKER_JOBS}
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", default="")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
COUNTS_DAYS = env.int("COUNTS_DAYS", default=400)
CHANGES_DAYS = env.int("CHANGES_DAYS", default=0)

LOGGING = logging_config(
    json=env.bool("LOG_JSON", default=not (DEBUG or SANDBOX)), level=env.level("LOG_LEVEL", default="INFO")
)

SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # the operator decides about the later steps of HSTS
