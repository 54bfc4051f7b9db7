"""A Stripe-compatible billing server for one machine."""

__all__ = ()
