"""
The bytes of messages a second time, from the section Bytes of firmware/protocol/README.md alone: decodes payloads of
test/vectors/messages.json, encodes them again, and compares ids, wires, the neighbourhood's hash, the fields that every
payload begins with, and the bodies that are flat.
With --break NAME one thing is done wrong on purpose: the comparison must then find a difference.
"""
import json
import sys
from hashlib import sha256
from pathlib import Path

TYPES = "ORDER SITE METER HEADER PROPOSE VOTE SYNC_REQ SYNC_RES STATE EVIDENCE REGISTRY".split()
FLAT = "ORDER SITE METER VOTE SYNC_REQ STATE".split()  # bodies of numbers, words and bytes, in the order of the file
WORDS = {"sell": 0, "buy": 1, "lease": 0, "fallback": 1, "notarize": 0, "final": 1, "skip": 2}
BREAKS = ("prefix", "length")
broken = sys.argv[sys.argv.index("--break") + 1] if "--break" in sys.argv else None
if broken not in (None, *BREAKS):
    sys.exit(f"--break: one of {', '.join(BREAKS)}")
PREFIX = b"P2PEBT/2" if broken == "prefix" else b"P2PEBT/1"
UNSIGNED, NEGATIVE, BYTES, TEXT, LIST = range(5)
NULL = 0xF6


def head(major, n):
    """The shortest head of a whole number: in the first byte, or in 1, 2, 4 or 8 more."""
    if n < (0 if broken == "length" else 24):
        return bytes([major << 5 | n])
    size = next(size for size in range(4) if n < 1 << (8 << size))
    return bytes([major << 5 | 24 + size]) + n.to_bytes(1 << size, "big")


def encode(value):
    if value is None:
        return bytes([NULL])
    if isinstance(value, int):
        return head(UNSIGNED, value) if value >= 0 else head(NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return head(BYTES, len(value)) + value
    if isinstance(value, str):
        return head(TEXT, len(value.encode())) + value.encode()
    return head(LIST, len(value)) + b"".join(map(encode, value))


def decode(data):
    """The value of all the bytes, if they are what encode makes of it."""
    at = 0

    def take(count):
        nonlocal at
        at += count
        if at > len(data):
            raise ValueError("too short")
        return data[at - count : at]

    def item():
        first = take(1)[0]
        if first == NULL:
            return None
        major, n = first >> 5, first & 31
        if major > LIST or n > 27:
            raise ValueError(f"not of this protocol: {first:#x}")
        if n >= 24:
            n = int.from_bytes(take(1 << (n - 24)), "big")
        if major == UNSIGNED:
            return n
        if major == NEGATIVE:
            return -1 - n
        if major == LIST:
            return [item() for _ in range(n)]
        return take(n) if major == BYTES else take(n).decode()

    value = item()
    if at < len(data) or encode(value) != data:
        raise ValueError("not canonical")
    return value


def field_of(value):
    """As the payload has it: what the file writes as a word, as yes or no, or in hex."""
    if isinstance(value, str):
        return WORDS[value] if value in WORDS else bytes.fromhex(value)
    return int(value) if isinstance(value, bool) else value


def differences(message, tag):
    """Of a message of the file: what is not as this program has it."""
    fields, payload = message["fields"], bytes.fromhex(message["payload"])
    _, *body = fields["body"].values()
    kind = fields["body"]["type"]
    expected = [1, TYPES.index(kind), tag, *(fields[name] for name in "epoch round view sender".split())]
    if kind in FLAT:
        expected += map(field_of, body)
    try:
        found = decode(payload)[: None if kind in FLAT else 7]
    except ValueError as problem:
        found = str(problem)
    wire = encode([payload, bytes.fromhex(message["signature"])]).hex()
    compared = {
        "payload": (expected, found),
        "id": (message["id"], sha256(PREFIX + payload).hexdigest()),
        "wire": (message["wire"], wire),
    }
    return [f"{field}: expected {each}, got {got}" for field, (each, got) in compared.items() if each != got]


def genesis_of(street):
    """The neighbourhood's hash."""

    def node_of(node):
        at = node.get("connector")
        row = [node["name"], bytes.fromhex(node["publicKey"]), node["role"], node["safeShare_W"]]
        row.append(at and [at["kind"], at["charge_W"], at["discharge_W"]])
        return row + ([node["operator"]] if "operator" in node else [])

    names = "microgrid roundTime_s capacity_W exportLimit_W margin_W maxWait_rounds lookAhead_rounds"
    fields = [street[name] for name in f"{names} chargingEfficiency_ppm dischargingEfficiency_ppm".split()]
    fields += [street.get("loadProfile_W", []), [node_of(node) for node in street["nodes"]]]
    return sha256(PREFIX + b" genesis" + encode(fields)).hexdigest()


def main():
    vectors = json.loads((Path(__file__).parents[1] / "vectors/messages.json").read_text())
    found, right = [], 0
    for message in vectors["messages"]:
        lines = differences(message, bytes.fromhex(vectors["tag"]))
        found += [f"  {message['name']}, {line}" for line in lines]
        right += not lines
    print(f"messages {right} of {len(vectors['messages'])}")

    genesis = genesis_of(vectors["neighbourhood"])
    if (genesis, genesis[:16]) != (vectors["genesis"], vectors["tag"]):
        found.append(f"  neighbourhood, hash: expected {vectors['genesis']}, got {genesis}")

    state = bytes.fromhex(vectors["checkpoint"]["bytes"])
    hashed = sha256(PREFIX + b" checkpoint" + state).hexdigest()
    if hashed != vectors["checkpoint"]["hash"]:
        found.append(f"  checkpoint, hash: expected {vectors['checkpoint']['hash']}, got {hashed}")
    if broken is None:
        decode(state)
    sys.exit("\n".join(["Differences:", *found[:10]]) if found else 0)


main()
