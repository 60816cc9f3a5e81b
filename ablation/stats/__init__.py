"""Word errors and the tests of their differences."""
