"""Code that the steps share: their records, and how they find and store results."""
