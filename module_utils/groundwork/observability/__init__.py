"""Observability: the route table, the embedded stack's configuration, and the check and swap of Alloy's."""
