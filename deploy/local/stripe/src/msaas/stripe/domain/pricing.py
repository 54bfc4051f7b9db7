"""Amounts in the smallest unit of a currency: of a price, a quantity and a part of a period."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any


def to_cents(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def price_amount(price: Mapping[str, Any], quantity: Decimal) -> int:
    """Return what a quantity costs, rounded half away from zero once per line."""
    if price["billing_scheme"] == "tiered":
        amount = _graduated if price["tiers_mode"] == "graduated" else _volume
        return to_cents(amount(price["_tiers"], quantity))
    return to_cents(Decimal(price["unit_amount_decimal"]) * _transform(price, quantity))


def prorate(amount: int, part: int, whole: int) -> int:
    """Return the share of an amount for a part of a period, rounded half away from zero."""
    share = Fraction(amount * part, whole)
    rounded = (2 * abs(share.numerator) + share.denominator) // (2 * share.denominator)
    return rounded if share >= 0 else -rounded


def _transform(price: Mapping[str, Any], quantity: Decimal) -> Decimal:
    transform = price["transform_quantity"]
    if transform is None:
        return quantity
    rounding = ROUND_CEILING if transform["round"] == "up" else ROUND_FLOOR
    return (quantity / transform["divide_by"]).quantize(Decimal(1), rounding=rounding)


def _tier_cost(tier: Mapping[str, Any], quantity: Decimal) -> Decimal:
    unit = Decimal(tier["unit_amount_decimal"] or 0)
    return unit * quantity + Decimal(tier["flat_amount_decimal"] or 0)


def _graduated(tiers: list[dict[str, Any]], quantity: Decimal) -> Decimal:
    total, lower = Decimal(0), Decimal(0)
    for tier in tiers:
        if quantity <= lower:
            break
        upper = quantity if tier["up_to"] is None else min(quantity, Decimal(tier["up_to"]))
        total += _tier_cost(tier, upper - lower)
        lower = upper
    return total


def _volume(tiers: list[dict[str, Any]], quantity: Decimal) -> Decimal:
    for tier in tiers:
        if tier["up_to"] is None or quantity <= tier["up_to"]:
            return _tier_cost(tier, quantity) if quantity else Decimal(0)
    return Decimal(0)
