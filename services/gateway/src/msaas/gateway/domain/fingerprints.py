"""Compares requests without storing their content."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(key: bytes, request: Mapping[str, Any]) -> str:
    """Return the HMAC of the request as canonical JSON."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()
