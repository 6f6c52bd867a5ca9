"""Where sealed values of webhooks belong: a value opens only in the place it was sealed for."""


def url_context(subscription_id: str) -> str:
    """The place of a subscription's address."""
    return f"webhook_subscriptions/{subscription_id}/url"


def header_context(subscription_id: str) -> str:
    """The place of a subscription's own headers."""
    return f"webhook_subscriptions/{subscription_id}/headers"


def secret_context(secret_id: str) -> str:
    """The place of one secret."""
    return f"webhook_secrets/{secret_id}/secret"
