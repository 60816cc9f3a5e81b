"""Decisions from the tests: the verdict on an arm, the gate, the champion."""
