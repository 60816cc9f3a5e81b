"""Pictures and sound of media files, on one time line."""
