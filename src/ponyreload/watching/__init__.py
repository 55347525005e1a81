"""Watching: which files and folders matter, when to scan them, and what has changed.

In: the generation that serves, the last load if it failed, the options, and events from the system. Out: when the next
scan is due, the files whose contents differ from those last tried, and reports of changes that no reload takes up.
"""

__all__ = ["extra", "files", "folders", "lookout", "polling", "strangers", "watcher"]
