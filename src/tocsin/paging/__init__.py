"""The paging area."""
