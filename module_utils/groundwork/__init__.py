"""The Python that does Groundwork's work: importable and testable without Ansible."""
