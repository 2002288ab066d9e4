"""The commands, each a thin module: options in, one library call, words out."""

from tacref.commands.table import COMMANDS, main

__all__ = ["COMMANDS", "main"]
