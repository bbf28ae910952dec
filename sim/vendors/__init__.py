"""How each vendor's converter writes the same scan: headers, flags and counters, with all their oddities."""
