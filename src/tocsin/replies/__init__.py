"""Answers from phones: signed links that let a person act on one incident without signing in."""
