"""The proxies that a user would pick instead, told to do the same: one worker, connections kept on both sides, the bearer and the
three fields set on every request, the upstream's certificate verified. None of them can refresh.
"""
import os, shutil

from rig import HEADERS, Failure, needs

CHEAP = ["nginx", "haproxy", "caddy"]
# Of a virtual environment: see README.md.
ENVOY = os.environ.get("BENCH_ENVOY", "envoy")
MITMDUMP = os.environ.get("BENCH_MITMDUMP", "mitmdump")


def start(rig, name, port, tls, **options):
    return {"nginx": nginx, "haproxy": haproxy, "caddy": caddy, "envoy": envoy, "mitmproxy": mitmproxy}[name](rig, port, tls, **options)


def nginx(rig, port, tls, large=False, logs=False):
    """`large`: for bodies of any size, passed on as they come. `logs`: a line for each request."""
    fields = "".join(f'proxy_set_header {name} "{value}";' for name, value in HEADERS.items())
    scheme, upstream_port = ("https", rig.secure) if tls else ("http", rig.plain)
    streaming = "proxy_buffering off; proxy_request_buffering off; client_max_body_size 0;" if large else ""
    log = f"access_log {rig.path('access.log')};" if logs else ""
    return rig.nginx("nginx", f"""{log} upstream u {{ server 127.0.0.1:{upstream_port}; keepalive 256; keepalive_requests 1000000000; }}
 server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass {scheme}://u; proxy_http_version 1.1; {streaming}
  proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {rig.path('cert.pem')}; proxy_ssl_name localhost; proxy_ssl_session_reuse on;
  proxy_set_header Connection ""; proxy_set_header Authorization "Bearer {rig.token}"; {fields} }} }}""")


def haproxy(rig, port, tls):
    needs("haproxy")
    fields = "".join(f"  http-request set-header {name} {value}\n" for name, value in HEADERS.items())
    server = f"127.0.0.1:{rig.plain}"
    if tls:
        server = f"127.0.0.1:{rig.secure} ssl verify required ca-file {rig.path('cert.pem')} verifyhost localhost"
    return rig.start("haproxy", ["haproxy", "-db", "-f", rig.write("haproxy.cfg", f"""global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-reuse always
  http-request set-header Authorization "Bearer {rig.token}"
{fields}  server s {server}
""")])


def caddy(rig, port, tls):
    needs("caddy")
    fields = "".join(f"header_up {name} {value}\n" for name, value in HEADERS.items())
    transport = f"transport http {{\n tls_trusted_ca_certs {rig.path('cert.pem')}\n }}" if tls else ""
    return rig.start("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config", rig.write("Caddyfile", f"""{{
 admin off
 auto_https off
}}
http://127.0.0.1:{port} {{
 reverse_proxy {rig.origin(tls)} {{
  header_up Authorization "Bearer {rig.token}"
  {fields}
  {transport}
 }}
}}
""")], GOMAXPROCS="1")


def envoy(rig, port, tls):
    if not shutil.which(ENVOY):
        raise Failure("Envoy is not here: see README.md, and name it with BENCH_ENVOY")
    fields = "".join(f'            - header: {{key: {name}, value: "{value}"}}\n' for name, value in HEADERS.items())
    secure = f"""
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context: {{validation_context: {{trusted_ca: {{filename: {rig.path('cert.pem')}}}}}}}""" if tls else ""
    return rig.start("envoy", [ENVOY, "--concurrency", "1", "--disable-hot-restart", "-l", "warn", "-c", rig.write("envoy.yaml", f"""
static_resources:
  secrets:
  - name: bearer
    generic_secret: {{secret: {{inline_string: "Bearer {rig.token}"}}}}
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: p
          route_config:
            request_headers_to_add:
{fields}            virtual_hosts: [{{name: a, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: u}}}}]}}]
          http_filters:
          - name: envoy.filters.http.credential_injector
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector
              overwrite: true
              credential:
                name: generic_credential
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic
                  credential: {{name: bearer}}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: u
    type: STATIC
    load_assignment: {{cluster_name: u, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {rig.secure if tls else rig.plain}}}}}}}}}]}}]}}{secure}
""")])


def mitmproxy(rig, port, tls):
    if not shutil.which(MITMDUMP):
        raise Failure("mitmproxy is not here: see README.md, and name mitmdump with BENCH_MITMDUMP")
    fields = "".join(f"        flow.request.headers[{name!r}] = {value!r}\n" for name, value in HEADERS.items())
    script = rig.write("inject.py", f"""class Inject:
    def requestheaders(self, flow):
        flow.request.headers["Authorization"] = "Bearer {rig.token}"
{fields}
addons = [Inject()]
""")
    return rig.start("mitmproxy", [MITMDUMP, "-q", "-s", script, "--mode", f"reverse:{rig.origin(tls)}", "--listen-host", "127.0.0.1", "-p",
                                   str(port), "--set", f"ssl_verify_upstream_trusted_ca={rig.path('cert.pem')}"])
