"""Suppression: what is accepted and kept, but wakes nobody for now. Here: maintenance windows."""
