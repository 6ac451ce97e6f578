"""The package's version: the library's."""
__version__ = "0.1.0"
