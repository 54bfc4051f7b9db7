"""Recognises secrets and personal data by the form of a text or the name of a field."""

import re
from typing import Final

REDACTED: Final = "[redacted]"

# A lower-case line without a match contains no secret. Each alternative starts with a letter that
# is rare in log lines and looks behind from there, which is ten times as fast as a list of words.
_HINTS: Final = re.compile(
    rb"[@?%]"
    rb"|b(?:earer|(?<=sb)_)"
    rb"|c(?:(?<=sec)ret|(?<=basic) |redential|ard|v[cv])"
    rb"|g(?:(?<=sig)nature|h[pousr]_|ithub_pat_)"
    rb"|h(?<=auth)ori"
    rb"|i(?<=asi)a"
    rb"|j(?<=eyj)"
    rb"|k(?:ey|(?<=tok)en|(?<=cook)ie|(?<=[srp]k)(?:-|_live_|_test_)|(?<=ak)ia)"
    rb"|m(?:ail|saas_)"
    rb"|p(?:(?<=otp)|(?<=passp)|(?<=[\"_-]p)[ai]n)"
    rb"|query"
    rb"|w(?:(?<=passw)|(?<=pw)d|hsec_)"
    rb"|xox"
    rb"|z(?<=aiz)a"
)
_LONG_NUMBER: Final = re.compile(rb"[2-6][0-9 -]{12}")

_SENSITIVE_NAMES: Final = (
    r"passw|passphrase|pwd|secret|token(?!iz|s\b)|(?:api|access|private)[-_ ]?key"
    r"|authori[sz]ation|cookie|credential|card[-_ ]?num|signature|\b(?:otp|cvc|cvv2?)\b"
)
_SECRET_NAME: Final = re.compile(
    rf"{_SENSITIVE_NAMES}|tokens|e[-_]?mail|query[-_]?(?:string|params)", re.IGNORECASE
)
# A number in these fields is a secret; in other fields it is a count or a measurement.
_SECRET_NUMBER_NAME: Final = re.compile(
    r"passw|pwd|card[-_ ]?num|(?:^|[_-])(?:otp|cvc|cvv2?|pin|pan)(?:[_-]|$)", re.IGNORECASE
)

# An escaped quote does not end a value: masking too much is safer than too little.
_QUOTED_VALUE: Final = r""""(?:[^"\\]|\\+.)*+"?|'(?:[^'\\]|\\+.)*+'?|\\+["'](?:(?!\\+["']).)*+"""
_NAMED_SECRET: Final = (
    rf"""(?i:((?:{_SENSITIVE_NAMES})[\w-]{{0,40}}(?:["'\\]*\s{{0,3}}[:=]|["']\s{{0,3}},)\s{{0,3}}))"""
    rf"""b?(?:{_QUOTED_VALUE}|[^\s,;&"'\\}}\])]++(?:{_QUOTED_VALUE})?)"""
)
_SECRET_PATTERNS: Final = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        # keys and tokens with a known prefix
        (r"eyJ[\w-]{8,}(?:\.[\w-]*)*", REDACTED),
        (r"(?i:(?<![a-z])[srp]k_(?:live|test)_\w{4,}|whsec_[\w+/=]{4,})", REDACTED),
        (r"(?<![A-Za-z])(?:sk-[\w-]{16,}|gh[pousr]_\w{16,}|github_pat_\w+)", REDACTED),
        (r"\b(?:xox[a-z]-[\w-]+|A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{20,})", REDACTED),
        (r"\bsb_(?:secret|publishable)_[\w-]+", REDACTED),
        (r"msaas_(?=[a-z_-]{0,64}[0-9A-Z])[\w-]{24,}", REDACTED),
        (r"-----BEGIN[ A-Z]*PRIVATE KEY-----.*?(?:-----END[ A-Z]*-----|\Z)", REDACTED),
        (r"(?i:\b(bearer)\s+)[^\s\"',;]+", rf"\1 {REDACTED}"),
        (r"\b((?i:basic))\s+(?=\S*(?:[a-z][A-Z]|[0-9=]))[\w+/=-]{8,}", rf"\1 {REDACTED}"),
        # credentials and query strings of URLs
        (r"""://[^\s"'<>/?#@:]{0,200}:[^\s"'<>]{0,500}@""", f"://{REDACTED}@"),
        (r"""://[^\s"'<>/?#@:]{1,500}@""", f"://{REDACTED}@"),
        (r"""(/[^\s?"'<>/]*)\?[^\s"'<>]+""", rf"\1?{REDACTED}"),
        (r"""\?(?=[^\s"'<>=&?]{1,100}=)[^\s"'<>]+""", f"?{REDACTED}"),
        # a header up to the end of its line, and any `name: value`, `name=value`, `"name", "value"`
        (
            r"""(?i:((?:authorization|cookie)\s{0,3}[:=]\s{0,3})(?!b?["'\\{\[(]))[^\r\n"']++""",
            rf"\1{REDACTED}",
        ),
        (_NAMED_SECRET, rf"\1{REDACTED}"),
        # an e-mail address, also URL-encoded
        (r"(?<![\w.+%-])[\w.+%-]++@(?=[^\W\d_])[\w-]+(?:\.[\w-]+)*", REDACTED),
        (r"(?<![\w.+-])[\w.+-]++%40[\w-]+(?:\.[\w-]+)*", REDACTED),
    )
)
# A UUID is matched first so that its digits do not match as a card number.
_UUID_OR_CARD: Final = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?<![\w.])[2-6](?:[ -]?[0-9]){12,18}(?!\w)"
)
_MAX_CARD_DIGITS: Final = 19


def may_contain_secret(line: bytes) -> bool:
    """Return quickly whether a line may contain a secret; most lines do not."""
    return bool(_HINTS.search(line.lower()) or _LONG_NUMBER.search(line))


def mask_secrets(text: str) -> str:
    for pattern, replacement in _SECRET_PATTERNS:
        text = pattern.sub(replacement, text)
    return _UUID_OR_CARD.sub(_mask_card, text)


def is_secret_name(name: str, value: object) -> bool:
    """Return whether a field's name marks its value as a secret."""
    if value is None or isinstance(value, bool):
        return False
    if _SECRET_NUMBER_NAME.search(name):
        return True
    return not isinstance(value, int | float) and bool(_SECRET_NAME.search(name))


def is_card_number(digits: str) -> bool:
    """Check the issuer, length and check digit; times in milliseconds begin with 1."""
    min_digits = 13 if digits[0] == "4" else 14
    if digits[0] not in "23456" or not min_digits <= len(digits) <= _MAX_CARD_DIGITS:
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _mask_card(found: re.Match[str]) -> str:
    return REDACTED if is_card_number(re.sub("[ -]", "", found[0])) else found[0]
