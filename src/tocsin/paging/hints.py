"""What may be shown of an address: enough for its owner to know it, too little to use it. Pure."""

from urllib.parse import urlsplit

MASK = "…"


def address_hint(address: str) -> str:
    """The address with its telling part masked: `b…@example.org`, `https://host/…3f9a`."""
    address = address.strip()
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and parts.hostname:
        # The path of a hook is its secret; four characters tell two of them apart.
        tail = (parts.path + parts.query).rstrip("/")
        shown = tail[-4:] if len(tail) >= 12 else ""
        return (
            f"{parts.scheme}://{parts.hostname}/{MASK}{shown}"
            if tail
            else (f"{parts.scheme}://{parts.hostname}")
        )
    name, at, domain = address.rpartition("@")
    if at and name:
        return f"{name[0]}{MASK}@{domain}"
    if len(address) <= 4:
        return MASK
    return f"{address[:2]}{MASK}{address[-2:]}"
