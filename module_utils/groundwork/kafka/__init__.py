"""Kafka: what its modules do, importable and testable without Ansible."""
