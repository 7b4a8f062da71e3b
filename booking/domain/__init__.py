"""The rules of choosing and booking, in plain Python: no database, no web, no clock of its own."""
