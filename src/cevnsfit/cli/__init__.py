"""The command line: one short module a command; heavy packages are imported inside the commands."""
