"""Whether two requests ask for the same thing, without keeping what they asked for."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(key: bytes, request: Mapping[str, Any]) -> str:
    """HMAC over the request in one canonical spelling."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()
