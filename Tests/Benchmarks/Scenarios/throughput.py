"""Requests as fast as they go: CPU time per request and latency, side by side with the peers."""
import peers
from rig import Failure, Rig, figure, free_port, load, measure, median, percentile, wrk

# CPU per request against nginx's, by upstream; and Squire's against the other peers'.
AGAINST_NGINX = {False: 1.00, True: 0.95}
AGAINST_OTHERS = {"envoy": 0.30, "caddy": 0.20, "mitmproxy": 0.02}


def rounds_of(rig, ports, options):
    """Measures each proxy in turn, several times: what else the machine does hits all of them."""
    for name, port in ports.items():
        rig.wait(port, name)
        wrk(rig, port, 1, options.connections)
    rows = {name: [] for name in ports}
    for _ in range(options.rounds):
        for name, port in ports.items():
            rows[name].append(measure(rig, name, port, options.seconds, options.connections))
    return rows


# Requests a second at which no core is full: what the closed loop of `rounds_of` shows at its end is mostly who waits for a core.
UNHURRIED = 8000


def unhurried(rig, ports, options):
    """Latency at a fixed rate, from when a request is due."""
    rows = {name: [] for name in ports}
    for _ in range(options.rounds):
        for name, port in ports.items():
            took = [ms for _, ms in load(rig, port, UNHURRIED, options.seconds, options.connections)]
            rows[name].append({"p50": percentile(took, 50), "p99": percentile(took, 99)})
    return rows


def compare(options, names, tls, extra=None):
    with Rig(options.squire) as rig:
        rig.upstream()
        ports = {}
        for name in names:
            port = free_port()
            try:
                peers.start(rig, name, port, tls)
            except Failure as failure:
                print(f"{name} left out: {failure}")
                continue
            ports[name] = port
        ports["squire"] = free_port()
        rig.start_squire(ports["squire"], tls)
        rows = rounds_of(rig, ports, options)
        if extra:
            extra(rig, ports)
    print(f"{'TLS' if tls else 'plain'} upstream, {options.connections} connections, medians of {options.rounds} rounds of {options.seconds} s")
    print(f"{'':12}{'req/s':>9}{'CPU us/req':>12}{'p50 ms':>9}{'p99 ms':>9}{'RSS MiB':>9}")
    for name, row in rows.items():
        value = lambda key: median(r[key] for r in row)
        print(f"{name:12}{value('rate'):9.0f}{value('cpu'):12.2f}{value('p50'):9.3f}{value('p99'):9.3f}{value('resident'):9.1f}")
    return rows


def ratio(rows, key, name):
    """Squire's figure over the peer's, round by round: the median, and the range as text."""
    ratios = [ours[key] / theirs[key] for ours, theirs in zip(rows["squire"], rows[name])]
    return median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds"


def against_nginx(options, tls):
    calm = {}
    rows = compare(options, options.peers or ["nginx"], tls, lambda rig, ports: calm.update(unhurried(rig, ports, options)))
    if "nginx" not in rows:
        return
    kind = "TLS" if tls else "plain"
    value, spread = ratio(rows, "cpu", "nginx")
    figure(f"CPU per request against nginx, {kind} upstream", value, "", AGAINST_NGINX[tls], spread)
    for key in ("p50", "p99"):
        value, spread = ratio(rows, key, "nginx")
        figure(f"{key} latency against nginx, {kind} upstream", value, "", 1.00, spread)
    for key in ("p50", "p99"):
        value, spread = ratio(calm, key, "nginx")
        ours, theirs = (median(r[key] for r in calm[name]) for name in ("squire", "nginx"))
        figure(f"{key} latency against nginx at {UNHURRIED} requests/s, {kind} upstream", value, "", None, f"{ours:.3f} against {theirs:.3f} ms, {spread}")


def plain(options):
    """CPU per request and latency against nginx, plain upstream"""
    against_nginx(options, tls=False)


def tls(options):
    """CPU per request and latency against nginx, TLS upstream"""
    against_nginx(options, tls=True)


def others(options):
    """CPU per request against Envoy, Caddy, HAProxy and mitmproxy, as far as they are here"""
    rows = compare(options, options.peers or ["haproxy", "caddy", "envoy", "mitmproxy"], tls=False)
    for name in rows:
        if name == "squire":
            continue
        value, spread = ratio(rows, "cpu", name)
        figure(f"CPU per request against {name}", value, "", AGAINST_OTHERS.get(name), spread)


def logged(options):
    """CPU per request with a log line for each, as it is by default, against nginx with its access log"""
    rows = {"nginx": [], "squire": []}
    with Rig(options.squire) as rig:
        rig.upstream()
        ports = {name: free_port() for name in rows}
        peers.start(rig, "nginx", ports["nginx"], tls=False, logs=True)
        rig.start_squire(ports["squire"], tls=False, log_level="info")
        rows = rounds_of(rig, ports, options)
    value, spread = ratio(rows, "cpu", "nginx")
    ours, theirs = (median(r["cpu"] for r in rows[name]) for name in ("squire", "nginx"))
    figure("CPU per request against nginx, both with a log", value, "", None, f"{ours:.1f} against {theirs:.1f} us, {spread}")


def workers(options):
    """Two workers against one: CPU per request, requests a second"""
    rows = {1: [], 2: []}
    with Rig(options.squire) as rig:
        rig.upstream()
        ports = {count: free_port() for count in rows}
        for count, port in ports.items():
            rig.start_squire(port, tls=False, workers=count, name=f"squire{count}")
            rig.wait(port, f"squire{count}")
            wrk(rig, port, 1, 64)
        for _ in range(options.rounds):
            for count, port in ports.items():
                rows[count].append(measure(rig, f"squire{count}", port, options.seconds, 64))
    ratios = [two["cpu"] / one["cpu"] for one, two in zip(rows[1], rows[2])]
    rates = [two["rate"] / one["rate"] for one, two in zip(rows[1], rows[2])]
    one, two = (median(r["cpu"] for r in rows[count]) for count in (1, 2))
    figure("CPU per request, two workers against one", median(ratios), "", 1.10, f"{two:.1f} against {one:.1f} us")
    figure("requests a second, two workers against one", median(rates), "", None,
           "the load and the upstream take their share of the cores")
