"""Records of a shared session, written by other code than Squire's: HKDF (RFC 5869), ChaCha20-Poly1305 (RFC 8439)."""
import base64, hashlib, hmac, json, os, struct


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def key_id(line):
    """The first 8 digits of the hash that names a key."""
    return hashlib.sha256(b"squire kid" + base64.b64decode(line)).hexdigest()[:8]


def derived(line, name):
    extracted = hmac.digest(name.encode(), base64.b64decode(line), "sha256")
    return hmac.digest(extracted, b"squire shared session v1\x01", "sha256")


def chacha_block(key, counter, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    work = state[:]

    def quarter(a, b, c, d):
        for target, other, by, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[target] = (work[target] + work[other]) & 0xFFFFFFFF
            mixed = work[by] ^ work[target]
            work[by] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF

    for _ in range(10):
        for lane in range(4):
            quarter(lane, lane + 4, lane + 8, lane + 12)
        for lane in range(4):
            quarter(lane, 4 + (lane + 1) % 4, 8 + (lane + 2) % 4, 12 + (lane + 3) % 4)
    return struct.pack("<16I", *((one + other) & 0xFFFFFFFF for one, other in zip(work, state)))


def crypted(key, nonce, data):
    blocks = range(0, len(data), 64)
    stream = b"".join(chacha_block(key, 1 + index, nonce) for index in range(len(blocks)))
    return bytes(one ^ other for one, other in zip(data, stream))


def tag(key, nonce, data, associated):
    onetime = chacha_block(key, 0, nonce)[:32]
    r = int.from_bytes(onetime[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s, total = int.from_bytes(onetime[16:], "little"), 0
    padded = lambda text: text + bytes(-len(text) % 16)
    message = padded(associated) + padded(data) + struct.pack("<QQ", len(associated), len(data))
    for start in range(0, len(message), 16):
        total = (total + int.from_bytes(message[start:start + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((total + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def seal(key, data, associated):
    nonce = os.urandom(12)
    hidden = crypted(key, nonce, data)
    return nonce + hidden + tag(key, nonce, hidden, associated)


def opened(key, sealed, associated):
    """Nil if it does not open."""
    nonce, hidden, mark = sealed[:12], sealed[12:-16], sealed[-16:]
    return crypted(key, nonce, hidden) if tag(key, nonce, hidden, associated) == mark else None


def random_id():
    return os.urandom(16).hex()


def identity(era=1, generation=0, login=None, parent=None):
    return {"id": random_id(), "parent": parent, "login": login or random_id(), "era": era, "generation": generation}


def associated(place, identity, line, state):
    members = {"key": place, "v": 1, **identity, "kid": key_id(line)}
    return compact({**members, "state": state} if state in ("none", "refused") else members)


def record(line, name, session, identity, state="ready", claim=None, prefix="squire"):
    """The value that the engine keeps for `session`, a session file's members; without any it is a tombstone."""
    place = f"{prefix}/v1/session/{name}"
    state = "none" if session is None else state
    data = b"" if session is None else compact(session)
    sealed = seal(derived(line, name), data, associated(place, identity, line, "none" if session is None else state))
    members = {"v": 1, **identity, "state": state, "write": random_id()}
    if claim: members["claim"] = claim
    return compact({**members, "kid": key_id(line), "sealed": base64.b64encode(sealed).decode()})


def content(line, name, value, prefix="squire"):
    """What a record seals; nil if that key does not open it."""
    record = json.loads(value)
    who = {member: record[member] for member in ("id", "parent", "login", "era", "generation")}
    data = associated(f"{prefix}/v1/session/{name}", who, line, record["state"])
    return opened(derived(line, name), base64.b64decode(record["sealed"]), data)
