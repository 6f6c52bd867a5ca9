"""Hand-offs: telling people before their turn on call begins or ends."""
