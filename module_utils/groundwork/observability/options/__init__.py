"""The options that each server knows, by version: facts that the check of configurations reads."""
