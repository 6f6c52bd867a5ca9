"""Tocsin: self-hosted incident response and on-call."""
