"""Webhooks: what happened to incidents and services, told to other programs over HTTP."""
