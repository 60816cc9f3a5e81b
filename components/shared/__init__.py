"""What the steps of the pipeline share: the records they hand each other, and how they find and keep results."""
