"""Conformance: other people's test suites, without and with autoreload."""
