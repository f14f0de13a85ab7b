"""Encrypted inference over HTTP: a server without secret keys and a client without weights."""
