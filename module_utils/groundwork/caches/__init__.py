"""Caches that speak RESP: Valkey and Redis."""
