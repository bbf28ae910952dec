"""Compiled loops and FFT plans over plain arrays; they know nothing above them."""
