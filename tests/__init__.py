"""Tests, by what they need: unit, contract, component, system; shared pieces in tests.support."""
