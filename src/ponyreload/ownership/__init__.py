"""Ownership: what a generation's code registers or leaves running outside of its modules, and how that is undone.

In: the calls by which code starts threads, registers functions, and changes what the process has one of; and when a
load begins, is published or fails, and when a generation retires. Out: the process as it would be without that
generation, a warning for what cannot be ended, and the user code that makes a thing (`makers`).
"""

__all__ = ["makers", "owned"]
