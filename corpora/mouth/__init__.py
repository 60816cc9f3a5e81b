"""Cut mouths out of real video."""
