"""Options: what the user may set, which modules are marked, and the servers and libraries that are known by name.

In: the arguments of `use_autoreload`, the command line and pyproject.toml; a module's namespace and file.
Out: checked `Options`, and their declaration; whether a module is a user module; which adapter belongs to an imported
module. Nothing here changes the process.
"""

__all__ = ["kinds", "libraries", "marking", "options", "servers", "trusted"]
