"""The command line: one thin file per noun; a command parses, calls one library function and prints."""
