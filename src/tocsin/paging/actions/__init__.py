"""The door of paging. Upper areas and the engine call these and nothing else of this area."""

from tocsin.paging.actions.pages import page, stop

__all__ = ["page", "stop"]
