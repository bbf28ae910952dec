"""Where results go: to the scanner, into files."""
