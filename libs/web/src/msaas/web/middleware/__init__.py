"""Pure ASGI layers, outermost first: each wraps `receive` or `send` and costs microseconds."""

from msaas.web.middleware.access import Access
from msaas.web.middleware.address_gate import AddressGate
from msaas.web.middleware.body_gate import BodyGate
from msaas.web.middleware.compression import Compression
from msaas.web.middleware.correlation import Correlation
from msaas.web.middleware.cors import Cors
from msaas.web.middleware.deadline import Deadline
from msaas.web.middleware.deprecations import Deprecation, Deprecations
from msaas.web.middleware.recovery import Recovery
from msaas.web.middleware.security_headers import SecurityHeaders

__all__ = [
    "Access",
    "AddressGate",
    "BodyGate",
    "Compression",
    "Correlation",
    "Cors",
    "Deadline",
    "Deprecation",
    "Deprecations",
    "Recovery",
    "SecurityHeaders",
]
