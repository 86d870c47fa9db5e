"""django-oauth-toolkit as an authorization server and an API: code with PKCE, device, password, client credentials, rotation with reuse
protection and grace, revocation, metadata (RFC 8414).

    python django_server.py DIRECTORY [--ttl S] [--grace S] [--reuse-protection 0|1]

Registers `web` (public, code), `device` (public, device), `machine` (confidential, client credentials, secret `s3cret:/+ä`) and `owner`
(confidential, password, secret `s3cret`); the person is alice, and /login logs her in without asking. /api/me wants a bearer.
"""
import argparse, json, pathlib, sys

import serving

parser = argparse.ArgumentParser()
parser.add_argument("directory", type=pathlib.Path)
parser.add_argument("--ttl", type=int, default=60)
parser.add_argument("--grace", type=int, default=0)
parser.add_argument("--reuse-protection", type=int, default=1)
options = parser.parse_args()
server = serving.bind()
BASE = f"http://127.0.0.1:{server.server_port}"

import django
from django.conf import settings

settings.configure(
    DEBUG=False, SECRET_KEY="only for tests " * 4, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True, LOGIN_URL="/login",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(options.directory / "db.sqlite3"), "OPTIONS": {"timeout": 20}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                   "django.contrib.auth.context_processors.auth"]}}],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": options.ttl, "ROTATE_REFRESH_TOKEN": True, "PKCE_REQUIRED": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": options.grace, "REFRESH_TOKEN_REUSE_PROTECTION": bool(options.reuse_protection),
        "OAUTH_DEVICE_VERIFICATION_URI": BASE + "/o/device/", "SCOPES": {"read": "to read", "write": "to write"},
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http"],
    },
)
django.setup()

from django.contrib.auth import get_user_model, login
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path
from oauth2_provider.models import get_access_token_model, get_application_model, get_device_grant_model


def log_in(request):
    login(request, get_user_model().objects.get(username="alice"))
    return redirect(request.GET.get("next", "/"))


def me(request):
    value = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = get_access_token_model().objects.filter(token=value).first() if value else None
    if token is None or token.is_expired():
        answer = JsonResponse({"detail": "no"}, status=401)
        answer["WWW-Authenticate"] = 'Bearer realm="api", error="invalid_token", error_description="old, expired or \\"invalid\\""'
        return answer
    return JsonResponse({"user": str(token.user), "scope": token.scope})


def decide(request):
    """What the person does at the device's page: POST user_code=…&decision=allow|deny."""
    model = get_device_grant_model()
    grant = model.objects.get(user_code=request.POST["user_code"])
    grant.user = get_user_model().objects.get(username="alice")
    grant.status = model.AUTHORIZED if request.POST["decision"] == "allow" else model.DENIED
    grant.save()
    return HttpResponse("ok\n")


def expire(request):
    """Every access token ends now."""
    from django.utils import timezone
    get_access_token_model().objects.update(expires=timezone.now())
    return HttpResponse("ok\n")


def tokens(request):
    return JsonResponse({"access": get_access_token_model().objects.count()})


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")), path("login", log_in), path("api/me", me),
    path("test/decide", decide), path("test/expire", expire), path("test/tokens", tokens),
]


def prepare():
    call_command("migrate", verbosity=0)
    person = get_user_model().objects.create_user("alice", password="alice's")
    model = get_application_model()
    for name, kind, grant, secret in (("web", model.CLIENT_PUBLIC, model.GRANT_AUTHORIZATION_CODE, ""),
                                      ("device", model.CLIENT_PUBLIC, model.GRANT_DEVICE_CODE, ""),
                                      ("machine", model.CLIENT_CONFIDENTIAL, model.GRANT_CLIENT_CREDENTIALS, "s3cret:/+ä"),
                                      ("owner", model.CLIENT_CONFIDENTIAL, model.GRANT_PASSWORD, "s3cret")):
        model.objects.create(name=name, client_id=name, client_secret=secret, client_type=kind, authorization_grant_type=grant, user=person,
                             redirect_uris="http://127.0.0.1/callback" if name == "web" else "", skip_authorization=True)


from django.views.decorators.csrf import csrf_exempt

for name in ("decide", "expire"):
    csrf_exempt(globals()[name])
prepare()
serving.run(server, get_wsgi_application(), options.directory / "requests.log")
