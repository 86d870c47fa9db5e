"""Authlib as an authorization server: client credentials with a secret or a signed assertion, the JWT bearer grant (RFC 7523), revocation.

    python authlib_server.py DIRECTORY

DIRECTORY has `key.pub.pem`, the public key of `signer` (private_key_jwt) and of `service` (JWT bearer, no authentication). `basic` and
`post` have the secret `s3cret:/+ä`. Each assertion's `jti` is taken once; its times are checked without leeway. /api/me wants a bearer.
"""
import os, pathlib, sys, time

import serving

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from flask import Flask, jsonify, request

directory = pathlib.Path(sys.argv[1])
server = serving.bind()
BASE = f"http://127.0.0.1:{server.server_port}"
PUBLIC = (directory / "key.pub.pem").read_text()
SECRET = "s3cret:/+ä"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Client(ClientMixin):
    def __init__(self, name, method, grant, secret=None):
        self.name, self.method, self.grant, self.secret = name, method, grant, secret

    def get_client_id(self): return self.name
    def get_default_redirect_uri(self): return None
    def get_allowed_scope(self, scope): return scope or ""
    def check_redirect_uri(self, _): return False
    def check_client_secret(self, secret): return secret == self.secret
    def check_endpoint_auth_method(self, method, _): return method == self.method
    def check_response_type(self, _): return False
    def check_grant_type(self, grant): return grant == self.grant


class Token(TokenMixin):
    def __init__(self, values, client):
        self.values, self.client, self.issued, self.revoked = values, client, time.time(), False

    def check_client(self, client): return client is self.client
    def get_scope(self): return self.values.get("scope", "")
    def get_expires_in(self): return self.values["expires_in"]
    def is_expired(self): return time.time() > self.issued + self.values["expires_in"]
    def is_revoked(self): return self.revoked
    def get_user(self): return "alice"
    def get_client(self): return self.client


ASSERTION = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
CLIENTS = {client.name: client for client in (
    Client("basic", "client_secret_basic", "client_credentials", SECRET), Client("post", "client_secret_post", "client_credentials", SECRET),
    Client("signer", ASSERTION, "client_credentials"), Client("service", "none", BEARER))}
TOKENS = {}

application = Flask(__name__)


def keep(values, asked):
    TOKENS[values["access_token"]] = Token(values, asked.client)


authorization = AuthorizationServer(application, query_client=CLIENTS.get, save_token=keep)


class Assertion(JWTBearerClientAssertion):
    seen = set()

    def validate_jti(self, claims, jti):
        fresh = jti not in self.seen
        self.seen.add(jti)
        return fresh

    def resolve_client_public_key(self, client, headers=None):
        return PUBLIC

    def get_audiences(self):
        return [BASE + "/token"]


class Credentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", ASSERTION]


class Bearer(JWTBearerGrant):
    def resolve_issuer_client(self, issuer): return CLIENTS.get(issuer)
    def resolve_client_key(self, client, headers, payload): return PUBLIC
    def authenticate_user(self, subject): return subject
    def has_granted_permission(self, client, user): return True
    def get_audiences(self): return [BASE + "/token"]


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", ASSERTION]

    def query_token(self, value, hint):
        return TOKENS.get(value)

    def revoke_token(self, token, asked):
        token.revoked = True


authorization.register_client_auth_method(ASSERTION, Assertion())
authorization.register_grant(Credentials)
authorization.register_grant(Bearer)
authorization.register_endpoint(Revocation)


@application.post("/token")
def token():
    return authorization.create_token_response()


@application.post("/revoke")
def revoke():
    return authorization.create_endpoint_response(Revocation.ENDPOINT_NAME)


@application.get("/api/me")
def me():
    held = TOKENS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if held is None or held.is_expired() or held.is_revoked():
        return jsonify(error="invalid_token"), 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return jsonify(client=held.client.name)


serving.run(server, application, directory / "requests.log")
