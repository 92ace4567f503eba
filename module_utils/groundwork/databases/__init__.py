"""Databases and logins of services on a shared server: one interface, one implementation file per engine."""
