"""Code: reads Python files and compiles them. Large files are compiled in another process, which leaves the GIL free.

In: paths of Python files; loaders that compile in their own way.
Out: a `Source` for each version of a file, with its bytes, their hash, its lines and its code object.
"""

__all__ = ["compiling", "sources"]
