"""Developer's tools: what the developer sees in the browser.

In: the application's state (from `reloading`), its journal, and requests of a browser. Out: the script that refreshes a
page, the error over it, the status page and its JSON. Handed to the reloader by `autoreload`; nobody below knows it.
"""

__all__ = ["devtools"]
