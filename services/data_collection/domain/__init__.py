"""Rules of samples and time series; pure: no await, no clock, no randomness.

``batches`` takes apart what transports publish, ``samples`` is what is stored, ``storing`` judges what became
of an insert. ``configuration`` is what applications say, ``extraction`` what that finds in a sample.
Import the modules by name; this package exports nothing.
"""
