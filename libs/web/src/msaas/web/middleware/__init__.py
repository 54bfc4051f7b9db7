"""Pure ASGI middleware; each one wraps `receive` or `send` and costs microseconds."""

from msaas.web.middleware.access_log import AccessLog
from msaas.web.middleware.body_validation import BodyValidation, BufferedBody, get_body
from msaas.web.middleware.compression import Compression, encode_body
from msaas.web.middleware.correlation_id import CorrelationId
from msaas.web.middleware.cors import Cors
from msaas.web.middleware.deprecations import Deprecation, Deprecations
from msaas.web.middleware.recovery import Recovery
from msaas.web.middleware.request_target import RequestTargetValidation
from msaas.web.middleware.request_timeout import RequestTimeout
from msaas.web.middleware.security_headers import SecurityHeaders

__all__ = [
    "AccessLog",
    "BodyValidation",
    "BufferedBody",
    "Compression",
    "CorrelationId",
    "Cors",
    "Deprecation",
    "Deprecations",
    "Recovery",
    "RequestTargetValidation",
    "RequestTimeout",
    "SecurityHeaders",
    "encode_body",
    "get_body",
]
