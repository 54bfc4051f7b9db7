"""The rule of a route: who may call it, how often, how it is repeated, and until when.

A route declares its rule: `@router.get("/me", dependencies=[guard(RouteRule(scope=...))])`.
The task catalogue has the plans and flags of each task.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.params import Depends
from fastapi.routing import RouteContext, iter_route_contexts

from msaas.auth import UserPrincipal
from msaas.contracts import Plan, Scope
from msaas.gateway.application.errors import NotAllowed, PlanForbidden
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import (
    current_user,
    get_gateway_state,
    read_flag_context,
)
from msaas.web import Deprecation
from msaas.web.asgi import Scope as RequestScope

ALL_PLANS: Final = frozenset(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """Without a `scope` an API key is refused; `rate_limit` None counts no request.

    `is_public` routes need no user; `replay` says what is stored under an Idempotency-Key.
    """

    scope: Scope | None = None
    plans: frozenset[Plan] = ALL_PLANS
    flag: str | None = None
    is_public: bool = False
    operators_only: bool = False
    rate_limit: RateLimitCategory | None = RateLimitCategory.STANDARD
    replay: ReplayPolicy = ReplayPolicy.FULL
    requires_idempotency_key: bool = False
    deprecation: Deprecation | None = None


class RouteGuard:
    """The dependency that enforces a route's rule; it runs before the other dependencies."""

    def __init__(self, rule: RouteRule) -> None:
        self.rule = rule

    async def __call__(self, request: Request) -> None:
        if self.rule.is_public and not _has_api_key(request):
            return
        user = await current_user(request)
        check_user(self.rule, user)
        if self.rule.flag is not None:
            context = await read_flag_context(user, request)
            get_gateway_state(request).features.require((self.rule.flag,), context)


def check_user(rule: RouteRule, user: UserPrincipal) -> None:
    """Raise unless the user's key, role and plan allow the route."""
    _check_api_key(rule, user)
    if rule.operators_only and user.role != "operator":
        raise NotAllowed("This operation requires the operator role.")
    if user.plan not in rule.plans:
        raise PlanForbidden("The plan does not include this operation.")


def _check_api_key(rule: RouteRule, user: UserPrincipal) -> None:
    if user.api_key is None:
        return
    if rule.scope is None:
        raise NotAllowed("This operation requires a user session, not an API key.")
    if rule.scope not in user.api_key.scopes:
        raise NotAllowed(f"The API key lacks the scope {rule.scope}.")


def guard(rule: RouteRule) -> Depends:
    """Return the dependency that gives a route its rule."""
    return Depends(RouteGuard(rule))


class RuleMissing(RuntimeError):
    """A route declares no rule, or more than one; the application does not start."""


class RouteRules:
    """Finds the rule of a request before the framework has chosen its route."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self.by_operation: dict[tuple[str, str], RouteRule] = {}
        self._by_method: defaultdict[str, list[tuple[RouteContext, RouteRule]]] = defaultdict(list)
        for route in iter_route_contexts([route for router in routers for route in router.routes]):
            rule = _get_rule(route)
            for method in route.methods or ():
                self.by_operation[method, str(route.path)] = rule
                self._by_method[method].append((route, rule))

    def find(self, scope: RequestScope) -> RouteRule | None:
        """Return None for a path or a method that is not served."""
        found = self.find_route(scope)
        return found and found[1]

    def find_route(self, scope: RequestScope) -> tuple[RouteContext, RouteRule] | None:
        routes = self._by_method.get(scope["method"], ())
        return next((pair for pair in routes if pair[0].path_regex.match(scope["path"])), None)

    @property
    def deprecations(self) -> Mapping[tuple[str, str], Deprecation]:
        return {
            operation: rule.deprecation
            for operation, rule in self.by_operation.items()
            if rule.deprecation is not None
        }


def _get_rule(route: RouteContext) -> RouteRule:
    guards = [depends.dependency for depends in route.dependencies or ()]
    rules = [guard.rule for guard in guards if isinstance(guard, RouteGuard)]
    if len(rules) != 1:
        raise RuleMissing(f"{route.path} declares {len(rules)} rules")
    return rules[0]


def _has_api_key(request: Request) -> bool:
    authenticator = get_gateway_state(request).authenticator
    return authenticator.has_api_key(request.headers.get("authorization"))
